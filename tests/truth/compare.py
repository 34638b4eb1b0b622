"""Compares a graph with the truth, and prints the table: ``python -m tests.truth.compare --help``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leakscope.cpython.reader import read_heap
from leakscope.graph.heap import HeapGraph
from leakscope.graph.kinds import Node, Ref
from leakscope.target.attach import capture
from tests.truth.driver import running
from tests.truth.frames import FrameReport, compare_frames
from tests.truth.truth_file import Truth, load_truth

Rows = npt.NDArray[np.int64]
BEYOND_TRAVERSE = (Ref.INTERNAL, Ref.C_FIELD)
"""Kinds of references that a type need not traverse when the target cannot be part of a cycle."""


@dataclass
class Family:
    """The references of one type."""

    true: int = 0
    missed: int = 0
    extra: int = 0
    beyond: int = 0
    """Seen in C fields though the type does not traverse them; targets that gc does not care for."""

    @property
    def recall(self) -> float:
        """Share of the true references that were found."""
        return 1.0 - self.missed / self.true if self.true else 1.0

    @property
    def precision(self) -> float:
        """Share of the references found that are true."""
        found = self.true - self.missed
        return found / (found + self.extra) if found + self.extra else 1.0


@dataclass
class Report:
    """All differences, counted by type (``module.QualName``)."""

    tracked: int = 0
    objects: int = 0
    missing_tracked: Counter[str] = field(default_factory=Counter)
    missing_untracked: Counter[str] = field(default_factory=Counter)
    unknown_objects: Counter[str] = field(default_factory=Counter)
    """In the graph and not garbage, but unknown from inside (held by C code only, or no objects at all)."""
    wrong_types: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong_sizes: Counter[str] = field(default_factory=Counter)
    size_examples: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """By type: address, true size, size in the graph."""
    garbage: Counter[str] = field(default_factory=Counter)
    """Objects that live but are said to be garbage."""
    families: dict[str, Family] = field(default_factory=dict)
    misses: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By holder's and target's type."""
    extras: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By holder's type, edge, target's type."""
    beyond: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    frames: FrameReport = field(default_factory=FrameReport)

    @property
    def overall(self) -> Family:
        """All references together."""
        families = self.families.values()
        return Family(
            sum(f.true for f in families), sum(f.missed for f in families), sum(f.extra for f in families)
        )


class _Match:
    """The rows of the truth and the nodes of the graph, told from each other by address."""

    def __init__(self, graph: HeapGraph, truth: Truth) -> None:
        self.graph, self.truth = graph, truth
        self.node = _find(truth.address, graph.address)
        """Of each row of the truth; -1 if the graph lacks it."""
        is_frame = (graph.flags & Node.FRAME) != 0
        if len(graph.address):
            self.node[(self.node >= 0) & is_frame[self.node]] = -1
        self.row = np.full(graph.objects + 1, -1, np.int64)
        self.row[self.node[self.node >= 0]] = np.flatnonzero(self.node >= 0)
        """Of each node; -1 if unknown inside. The last entry serves node -1."""
        kinds, self.type_of_row = np.unique(truth.type, return_inverse=True)
        types = [truth.types[int(kind)] for kind in kinds]
        self.row_type_names = [kind.name or "?" for kind in types]
        self.has_gc = np.array([kind.has_gc for kind in types], bool)[self.type_of_row]

    def row_names(self, rows: Rows) -> list[str]:
        """The true type name of each row."""
        return [self.row_type_names[kind] for kind in self.type_of_row[rows]]

    def node_names(self, nodes: Rows) -> list[str]:
        """The graph's type name of each node."""
        return [self.graph.types.name[kind] for kind in self.graph.type[nodes]]

    def address_names(self, addresses: npt.NDArray[np.uint64]) -> list[str]:
        """The true type name at each address."""
        return self.row_names(_find(addresses, self.truth.address))


def compare(graph: HeapGraph, truth: Truth) -> Report:
    """Everything in which ``graph`` differs from ``truth``."""
    match, report = _Match(graph, truth), Report(tracked=int(truth.tracked.sum()), objects=len(truth.address))
    _compare_objects(match, report)
    _compare_sizes(match, report)
    _compare_references(match, report)
    report.frames = compare_frames(graph, truth)
    return report


def _find(values: npt.NDArray[Any], ascending: npt.NDArray[Any]) -> Rows:
    """Where each value lies in ``ascending``; -1 if nowhere."""
    at = np.searchsorted(ascending, values)
    at[at == len(ascending)] = 0
    return np.where(ascending[at] == values, at, -1) if len(ascending) else np.full(len(values), -1)


def _compare_objects(match: _Match, report: Report) -> None:
    graph, truth = match.graph, match.truth
    missing = match.node < 0
    report.missing_tracked.update(match.row_names(np.flatnonzero(missing & truth.tracked)))
    report.missing_untracked.update(match.row_names(np.flatnonzero(missing & ~truth.tracked)))
    rows = np.flatnonzero(~missing)
    pairs = zip(match.row_names(rows), match.node_names(match.node[rows]), strict=True)
    report.wrong_types.update(pair for pair in pairs if pair[0] not in (pair[1], "?"))
    garbage = (graph.flags & Node.GARBAGE) != 0
    report.garbage.update(match.row_names(rows[garbage[match.node[rows]]]))
    unknown = (match.row[:-1] < 0) & ~garbage & ((graph.flags & Node.FRAME) == 0)
    report.unknown_objects.update(match.node_names(np.flatnonzero(unknown)))


def _compare_sizes(match: _Match, report: Report) -> None:
    rows = np.flatnonzero(match.node >= 0)
    sizes = match.graph.own_size[match.node[rows]]
    wrong = sizes != match.truth.size[rows]
    for row, size, name in zip(rows[wrong], sizes[wrong], match.row_names(rows[wrong]), strict=True):
        report.wrong_sizes[name] += 1
        example = int(match.truth.address[row]), int(match.truth.size[row]), int(size)
        report.size_examples.setdefault(name, example)


def _compare_references(match: _Match, report: Report) -> None:
    """Sets of (holder, target): a type may traverse a target twice or the graph show it under two names."""
    true_pairs = _pairs(match.truth.source, _find(match.truth.target, match.truth.address))
    traverses = match.truth.tracked.copy()
    traverses[match.truth.source] = True
    source, target, kind, label = _graph_references(match, traverses)
    found_pairs = _pairs(source, target)
    held = match.node[true_pairs >> 32] >= 0
    missed = true_pairs[held & ~np.isin(true_pairs, found_pairs)]
    _count(match, report, "true", true_pairs >> 32)
    _count(match, report, "missed", missed >> 32)
    ends = zip(match.row_names(missed >> 32), match.row_names(missed & 0xFFFFFFFF), strict=True)
    report.misses.update(ends)
    wrong = ~np.isin(found_pairs, true_pairs) & (kind != Ref.TYPE)
    is_beyond = wrong & np.isin(kind, BEYOND_TRAVERSE) & (target >= 0) & ~match.has_gc[target]
    for name, picked in (("extra", wrong & ~is_beyond), ("beyond", is_beyond)):
        _, first = np.unique(found_pairs[picked], return_index=True)
        picked_rows = np.flatnonzero(picked)[first]
        _count(match, report, name, source[picked_rows])
        counter = report.extras if name == "extra" else report.beyond
        counter.update(_describe(match, source, target, kind, label, picked_rows))


def _pairs(source: Rows, target: Rows) -> Rows:
    return (source << 32) | (target & 0xFFFFFFFF)


def _graph_references(match: _Match, traverses: npt.NDArray[np.bool_]) -> tuple[Rows, Rows, Rows, Rows]:
    """The graph's references whose holder traverses, as rows of the truth; weak ones and frames left out."""
    graph = match.graph
    node = np.repeat(np.arange(graph.objects), np.diff(graph.first_ref))
    source, target = match.row[node], match.row[graph.target]
    frame = (graph.flags[graph.target] & Node.FRAME) != 0
    counts = (source >= 0) & (graph.kind != Ref.WEAK) & ~frame
    counts[counts] = traverses[source[counts]]
    return (
        source[counts],
        target[counts],
        graph.kind[counts].astype(np.int64),
        graph.label[counts].astype(np.int64),
    )


def _count(match: _Match, report: Report, what: str, rows: Rows) -> None:
    for name, count in Counter(match.row_names(rows)).items():
        family = report.families.setdefault(name, Family())
        setattr(family, what, getattr(family, what) + count)


def _describe(
    match: _Match, source: Rows, target: Rows, kind: Rows, label: Rows, picked: Rows
) -> list[tuple[str, str, str]]:
    holders = match.row_names(source[picked])
    targets = [
        "(unknown inside)" if row < 0 else match.row_names(np.array([row]))[0] for row in target[picked]
    ]
    edges = [_edge(match.graph, Ref(int(kind[at])), int(label[at])) for at in picked]
    return list(zip(holders, edges, targets, strict=True))


def _edge(graph: HeapGraph, kind: Ref, label: int) -> str:
    if kind == Ref.INTERNAL and label >= 0:
        return graph.names[label]
    return f"{kind.name} +{label}" if kind == Ref.C_FIELD else kind.name


def measure(python: Path, target: str) -> tuple[Report, dict[str, Any]]:
    """Runs ``target`` under ``python``, captures it while it stands still, reads and compares."""
    with tempfile.TemporaryDirectory() as folder, running(python, target) as process:
        path = Path(folder) / "truth"
        with process.standing_still(path):
            image = capture(process.pid)
        graph = read_heap(image)
        return compare(graph, load_truth(path)), process.facts


def main() -> None:
    """Prints the table of one target under one interpreter."""
    from tests.truth.table import lines_of

    parser = argparse.ArgumentParser(description="Compare leakscope's reading of a target with the truth.")
    parser.add_argument("--python", type=Path, default=Path(sys.executable))
    parser.add_argument(
        "--target", default="zoo", help="a program in fixtures/targets: zoo, webapp, flaskapp"
    )
    parser.add_argument("--rows", type=int, default=40, help="how many rows of each table to print")
    options = parser.parse_args()
    report, facts = measure(options.python, options.target)
    sys.stdout.write(
        "\n".join([f"{options.target} on {facts['version']}", *lines_of(report, options.rows), ""])
    )


if __name__ == "__main__":
    main()

"""Compares a graph with the truth, and prints the table: ``python -m tests.truth.compare --help``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
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
_SHIFT = 1 << 31
COMPLETE_KINDS = (Ref.KEY, Ref.DICT_KEY, Ref.INDEX, Ref.ITEM, Ref.LOCAL, Ref.DICT)
"""What a container traverses without exception. Elsewhere a type may leave out what cannot be in a cycle."""

UNTRAVERSED = {
    "subclasses": "a type's dict of weak references to its subclasses",
    "slots": "ht_slots, a tuple of texts",
    "def": "a module's definition, which is C data",
}
"""Named C fields that type_traverse and module_traverse leave out although they own what is in them."""


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
    wrong_builtin_sizes: Counter[str] = field(default_factory=Counter)
    """Of builtin containers and of instances that add nothing to them."""
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
        return Family(sum(f.true for f in families), sum(f.missed for f in families), sum(f.extra for f in families))


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
        self.may_be_in_cycle = self._has_gc()
        """Of each node, by its type as that describes itself; True where that is unknown."""

    def _has_gc(self) -> npt.NDArray[np.bool_]:
        graph = self.graph
        addresses = [int(graph.address[node]) if node >= 0 else 0 for node in graph.types.node]
        kinds = [self.truth.types.get(address) for address in addresses]
        return np.array([kind is None or kind.has_gc for kind in kinds], bool)[graph.type]

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
        if match.truth.types[int(match.truth.type[row])].has_builtin_size:
            report.wrong_builtin_sizes[name] += 1
        example = int(match.truth.address[row]), int(match.truth.size[row]), int(size)
        report.size_examples.setdefault(name, example)


def _compare_references(match: _Match, report: Report) -> None:
    """Sets of (holder, target): a type may traverse a target twice or the graph show it under two names."""
    true_pairs = _pairs(match.truth.source, match.truth.target, match.truth.address)
    found = _graph_references(match)
    missed = true_pairs[~np.isin(true_pairs, found.pair) & (match.node[true_pairs // _SHIFT] >= 0)]
    missed = missed[~_is_shared_key(match, missed) & ~_is_cache_link(match, missed)]
    _count(match, report, "true", true_pairs // _SHIFT)
    _count(match, report, "missed", missed // _SHIFT)
    ends = zip(match.row_names(missed // _SHIFT), match.row_names(missed % _SHIFT), strict=True)
    report.misses.update(ends)
    wrong = ~np.isin(found.pair, true_pairs) & (found.kind != Ref.TYPE)
    is_beyond = wrong & _is_beyond_traverse(match, found)
    for what, picked, edges in (
        ("extra", wrong & ~is_beyond, report.extras),
        ("beyond", is_beyond, report.beyond),
    ):
        chosen = found.take(np.flatnonzero(picked)).unique()
        _count(match, report, what, chosen.row)
        edges.update(_describe(match, chosen))


def _pairs(source: Rows, target: npt.NDArray[np.uint64], known: npt.NDArray[np.uint64]) -> Rows:
    """Each different pair of rows as one number; targets that the dump hid (its own helpers) left out."""
    row = _find(target, known)
    return np.unique((source * _SHIFT + row)[row >= 0])


@dataclass(frozen=True)
class _References:
    """References of the graph: the holder's row and node, the target's node, and the pair of rows as a number."""

    row: Rows
    target: Rows
    kind: Rows
    label: Rows
    pair: Rows
    """Negative where the target is unknown inside; different for each (holder, target) all the same."""

    def take(self, at: Rows) -> _References:
        """Some of them."""
        return _References(self.row[at], self.target[at], self.kind[at], self.label[at], self.pair[at])

    def unique(self) -> _References:
        """The first of each pair."""
        return self.take(np.unique(self.pair, return_index=True)[1])


def _graph_references(match: _Match) -> _References:
    """Those whose holder traverses; weak ones and frames, which are no objects, left out."""
    graph = match.graph
    traverses = np.append(match.truth.tracked, False)  # the last entry serves row -1
    traverses[match.truth.source] = True
    row = match.row[np.repeat(np.arange(graph.objects), np.diff(graph.first_ref))]
    is_frame = (graph.flags[graph.target] & Node.FRAME) != 0
    at = np.flatnonzero(traverses[row] & (graph.kind != Ref.WEAK) & ~is_frame)
    row, target = row[at], graph.target[at].astype(np.int64)
    target_row = match.row[target]
    pair = np.where(target_row >= 0, row * _SHIFT + target_row, -1 - (row * _SHIFT + target))
    return _References(row, target, graph.kind[at].astype(np.int64), graph.label[at].astype(np.int64), pair)


def _is_beyond_traverse(match: _Match, found: _References) -> npt.NDArray[np.bool_]:
    """True references that the collector has no interest in, so that the truth cannot confirm them."""
    graph = match.graph
    is_class = (graph.flags[match.node[found.row]] & Node.CLASS) != 0
    is_complete = np.isin(found.kind, COMPLETE_KINDS) & ~is_class
    names = [index for index, name in enumerate(graph.names) if name in UNTRAVERSED]
    is_untraversed = (found.kind == Ref.INTERNAL) & np.isin(found.label, names)
    beyond: npt.NDArray[np.bool_] = (~match.may_be_in_cycle[found.target] & ~is_complete) | is_untraversed
    # 3.13 does not visit an instance's dict while the values are still part of the instance
    # (dictobject.c, PyObject_VisitManagedDict); the instance holds it all the same.
    beyond |= (found.kind == Ref.DICT) & ~is_class & np.isin(found.row, found.row[found.kind == Ref.ATTR])
    return beyond


def _is_shared_key(match: _Match, pairs: Rows) -> npt.NDArray[np.bool_]:
    """Whether each pair is a dict's text key that the graph shows as held by a class instead.

    Instance dicts share the key table of their class.
    """
    graph = match.graph
    by_class = np.repeat((graph.flags & Node.CLASS) != 0, np.diff(graph.first_ref))
    held = match.row[graph.target[by_class & (graph.kind == Ref.DICT_KEY)]]
    is_dict = np.array([name == "dict" for name in match.row_names(pairs // _SHIFT)], bool)
    shared: npt.NDArray[np.bool_] = is_dict & np.isin(pairs % _SHIFT, held[held >= 0])
    return shared


def _is_cache_link(match: _Match, pairs: Rows) -> npt.NDArray[np.bool_]:
    """Whether each pair is a cache and what one of its links holds.

    ``lru_cache`` traverses its links' keys and results for them, since a link is no object of the collector's. The
    graph shows the links, which the cache's dict holds.
    """
    graph = match.graph
    links = np.array([name == "functools._lru_list_elem" for name in graph.types.name])[graph.type]
    held = match.row[graph.target[np.repeat(links, np.diff(graph.first_ref)) & (graph.kind != Ref.WEAK)]]
    is_cache = np.array([name == "functools._lru_cache_wrapper" for name in match.row_names(pairs // _SHIFT)], bool)
    through: npt.NDArray[np.bool_] = is_cache & np.isin(pairs % _SHIFT, held[held >= 0])
    return through


def _count(match: _Match, report: Report, what: str, rows: Rows) -> None:
    for name, count in Counter(match.row_names(rows)).items():
        family = report.families.setdefault(name, Family())
        setattr(family, what, getattr(family, what) + count)


def _describe(match: _Match, chosen: _References) -> Iterator[tuple[str, str, str]]:
    holders, targets = match.row_names(chosen.row), match.node_names(chosen.target)
    known = match.row[chosen.target] >= 0
    for at, (holder, target) in enumerate(zip(holders, targets, strict=True)):
        edge = _edge(match.graph, Ref(int(chosen.kind[at])), int(chosen.label[at]))
        yield holder, edge, target if known[at] else f"{target} (unknown inside)"


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
    parser.add_argument("--target", default="zoo", help="a program in fixtures/targets: zoo, webapp, flaskapp")
    parser.add_argument("--rows", type=int, default=40, help="how many rows of each table to print")
    options = parser.parse_args()
    report, facts = measure(options.python, options.target)
    sys.stdout.write("\n".join([f"{options.target} on {facts['version']}", *lines_of(report, options.rows), ""]))


if __name__ == "__main__":
    main()

"""Runs every tool on fresh targets of one size."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.page import ours, ratios
from bench.page.peers import Peer, Truth, analyze, interpreter, peers, pyheap_folder, python
from bench.page.ratios import Ratio
from bench.page.rows import Row, median
from bench.page.target import ROOT, Target, ToolFailedError, running

SESSIONS_PROGRAM = ROOT / "fixtures" / "bench" / "sessions_1m.py"
SESSIONS = 1_000_000
Say = Callable[[str], None]


@dataclass
class Section:
    """All that was found out at one size."""

    title: str
    objects: int = 0
    """As leakscope counts them."""
    rows: list[Row] = field(default_factory=list)
    asked: dict[str, str] = field(default_factory=dict)
    """What each tool was asked for."""
    ratios: list[Ratio] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def by_name(self) -> dict[str, Row]:
        return {row.tool: row for row in self.rows if not row.problem}


def measure(size: int, reps: int, with_peers: bool, say: Say) -> Section:
    """leakscope, then its peers, each on targets of its own."""
    say(f"{size:,} objects: the truth, by the service itself")
    home = python() if with_peers else interpreter().path
    with _place() as folder, running(home, size) as target:
        truth = _truth(target, folder)
        resident, _ = target.memory()
        objects = ours.snapshot(target, "copy", folder / "x.leakscope").objects or 0
        section = Section(_title(objects, truth.sessions, resident), objects)
        say("  ratios of pauses")
        section.ratios = ratios.pauses(target, folder, max(3, reps))
    found = [_ours(home, size, truth, say) for _ in range(reps)]
    section.rows = [median([rows[place] for rows in found]) for place in range(len(found[0]))]
    for peer in peers() if with_peers else ():
        section.rows += _peer(peer, home, size, truth, reps, say)
        section.asked[peer.name] = peer.asked
    section.ratios += ratios.own_memory(section.by_name()) + ratios.against_peers(section.by_name())
    section.notes.append(f"True: {truth.sessions:,} sessions; {truth.retained:,} bytes go with the dict of sessions.")
    return section


def _title(objects: int, sessions: int, resident: int) -> str:
    return f"{objects:,} objects, {sessions:,} sessions, {resident / 1e6:,.0f} MB"


@contextmanager
def _place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="leakscope-bench-") as folder:
        yield Path(folder)


def _truth(target: Target, folder: Path) -> Truth:
    """Asked of the service itself, which finds it out in a child that it gives up for it."""
    target.ask("prepare truth")
    said = target.ask(f"run truth {folder / 'truth'}")
    return Truth(target.info["sessions"], said["retained"], target.info["address"])


def _ours(python: Path, size: int, truth: Truth, say: Say) -> list[Row]:
    rows = []
    with _place() as folder:
        for way in ours.WAYS:
            say(f"  {ours.name(way)}")
            (folder / f"of-{way}").mkdir()
            with running(python, size) as target:
                rows.append(ours.snapshot(target, way, folder / f"of-{way}" / "x.leakscope"))
                if way == "copy":
                    truth = replace(truth, address=target.info["address"])
                    direct = ours.direct(target, truth)
        say("  leakscope, questions")
        return [*rows, direct, *ours.questions(folder / "of-copy" / "x.leakscope", truth)]


def _peer(peer: Peer, python: Path, size: int, truth: Truth, reps: int, say: Say) -> list[Row]:
    """One row, and for PyHeap's dump one more."""
    if peer.missing:
        return [Row(peer.name, problem=f"absent: {peer.missing}")]
    rows, analyses = [], []
    for _ in range(reps):
        say(f"  {peer.name}")
        with _place() as folder:
            try:
                with running(python, size) as target:
                    truth = replace(truth, address=target.info["address"])
                    rows.append(peer.use(target, folder, truth))
                if peer.name == "PyHeap dump" and pyheap_folder() and not analyses:  # minutes at five million
                    say("  PyHeap analysis")
                    analyses.append(analyze(folder, truth))
            except ToolFailedError as error:
                rows.append(Row(peer.name, problem=str(error)))
    return [median(rows), *analyses]


def sessions_section(reps: int, say: Say) -> Section:
    """A million sessions, eleven million objects, about 1 GB: leakscope alone."""
    found = []
    for _ in range(reps):
        say(f"{SESSIONS:,} sessions")
        with _place() as folder, running(interpreter().path, SESSIONS, SESSIONS_PROGRAM) as target:
            truth = Truth(SESSIONS, 0, 0)
            rows = []
            for way in ours.WAYS:
                (folder / f"of-{way}").mkdir()
                rows.append(ours.snapshot(target, way, folder / f"of-{way}" / "x.leakscope"))
            found.append([*rows, *ours.questions(folder / "of-copy" / "x.leakscope", truth, "REGISTRY.sessions[")])
            resident, _ = target.memory()
            plain = ratios.pauses(target, folder, 3) if len(found) == reps else []
    objects = found[-1][0].objects or 0
    section = Section(_title(objects, SESSIONS, resident), objects, ratios=plain)
    section.rows = [median([rows[place] for rows in found]) for place in range(len(found[0]))]
    section.ratios += ratios.own_memory(section.by_name())
    return section


def huge_section(size: int, say: Say) -> Section:
    """As many objects as one asks for: leakscope alone, once."""
    say(f"{size:,} objects, leakscope alone")
    with _place() as folder, running(interpreter().path, size) as target:
        truth = Truth(target.info["sessions"], 0, 0)
        rows = [ours.snapshot(target, "", folder / "x.leakscope"), *ours.questions(folder / "x.leakscope", truth)]
        resident, _ = target.memory()
    objects = rows[0].objects or 0
    return Section(_title(objects, truth.sessions, resident), objects, rows)

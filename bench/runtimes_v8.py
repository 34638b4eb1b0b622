"""V8 heap snapshots beside memlab and the engine of Chrome's DevTools, on the same file, one after the other.

python bench/runtimes_v8.py [--sessions N] [--no-peers]; 13,400 sessions are 6 million nodes and 430 MB.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.commands import leakscope, say, table
from tests.cache import kept, run

T = TypeVar("T")
_ROOT = Path(__file__).resolve().parents[1]
_PROGRAM = _ROOT / "fixtures" / "bench" / "sessions_v8.js"
_PEERS = _ROOT / "fixtures" / "bench" / "v8_peers"
_CLASS = "Tracker"
_SIZE = re.compile(r"retained size: (\d+)")
_LEAKS = re.compile(r"found (\d+) leak")
_TIMES = 2
"""Of each tool the faster run counts: the first one after a while finds memory that the host took back."""
_ROUNDS = ("baseline", "target", "final")


@dataclass(frozen=True)
class Took:
    """What one tool took for one question, and what it answered."""

    tool: str
    wall_s: float
    cpu_s: float
    peak_rss_bytes: int
    answer: str


def report(sessions: int, with_peers: bool) -> list[str]:
    """Two tables in Markdown: how long loading, all retained sizes and chains take; who finds the leak unaided."""
    with tempfile.TemporaryDirectory(prefix="leakscope-bench-") as folder:
        file = _written(Path(folder), sessions, "target")[0]
        size = file.stat().st_size
        ours, tracker = _ours(file)
        sizes = [ours, *(_peers(file, tracker) if with_peers else [])]
        file.unlink()
        found = _finding(_written(Path(folder), max(sessions // 20, 50), *_ROUNDS), with_peers)
    headings = ["tool", "wall s", "times ours", "CPU s", "peak RSS MB", f"bytes retained by {_CLASS}"]
    rows = [[each.tool, *_figures(each, sizes[0]), each.answer] for each in sizes]
    headings_found = ["tool", "wall s", "times ours", "CPU s", "peak RSS MB", "finds"]
    rows_found = [[each.tool, *_figures(each, found[0]), each.answer] for each in found]
    return [
        f"V8 heap snapshot, {size / 1e6:,.0f} MB, {sessions:,} leaked sessions: load, retained sizes of all, chains; "
        f"best of {_TIMES}",
        "", *table(headings, rows), "",
        f"Three snapshots with {max(sessions // 20, 50):,} sessions more in each: what is found without being told",
        "", *table(headings_found, rows_found),
    ]  # fmt: skip


def _written(folder: Path, sessions: int, *names: str) -> list[Path]:
    run("node", "--max-old-space-size=4000", _PROGRAM, str(sessions), folder, *names)
    return [folder / f"{name}.heapsnapshot" for name in names]


def _ours(file: Path) -> tuple[Took, int]:
    """Loading, retained sizes and the chains of all sessions are timed; the tracker is asked for afterwards."""
    timed = _best(lambda: leakscope("chains", file, "--class", "Session"))
    done = leakscope("chains", file, "--class", _CLASS)
    (cluster,) = [each for each in done.answer["clusters"] if each["class"] == _CLASS]
    took = Took("leakscope", timed.wall_s, timed.cpu_s, timed.peak_rss_bytes, f"{cluster['retained_bytes']:,}")
    return took, int(cluster["sample_addresses"][0], 16)


def _peers(file: Path, tracker: int) -> list[Took]:
    home = _peers_home()
    engine = ("node", "--max-old-space-size=8000", "devtools.mjs", file, _CLASS)
    asked = _memlab("analyze", "object", "--snapshot", file, "--node-id", str(tracker))
    devtools = _best(lambda: _timed("DevTools engine", home, *engine))
    memlab = _best(lambda: _timed("memlab", home, *asked))
    return [
        replace(devtools, answer=f"{int(devtools.answer):,}"),
        replace(memlab, answer=f"{int(_told(_SIZE, memlab)):,}"),
    ]


def _finding(files: list[Path], with_peers: bool) -> list[Took]:
    done = leakscope("suspects", *files)
    first = next(iter(done.answer["suspects"]), None)
    said = f"{first['count']:,} x {first['class']} in {first['holder']}" if first else "nothing"
    found = [Took("leakscope suspects", done.wall_s, done.cpu_s, done.peak_rss_bytes, said)]
    if with_peers:
        flags = [part for name, file in zip(_ROUNDS, files, strict=True) for part in (f"--{name}", file)]
        memlab = _timed("memlab find-leaks", _peers_home(), *_memlab("find-leaks", *flags))
        found.append(replace(memlab, answer=f"{_told(_LEAKS, memlab)} leaks"))
    return found


def _told(pattern: re.Pattern[str], took: Took) -> str:
    """RuntimeError if it says nothing of the kind."""
    found = pattern.search(took.answer)
    if not found:
        raise RuntimeError(f"{took.tool} did not say {pattern.pattern!r}: {took.answer[-500:]}")
    return found[1]


def _memlab(*arguments: str | Path) -> list[str | Path]:
    return ["node", "--max-old-space-size=8000", "node_modules/memlab/bin/memlab", *arguments]


def _peers_home() -> Path:
    """The folder with both peers, from npm. RuntimeError if there is no npm."""
    if not shutil.which("npm"):
        raise RuntimeError("npm is missing: apt-get install npm, or --no-peers")

    def make(folder: Path) -> None:
        shutil.copytree(_PEERS, folder)
        run("npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "--ignore-scripts")

    return kept("v8-peers", make)


def _best(run: Callable[[], T]) -> T:
    """The fastest of some runs of one tool."""
    return min((run() for _ in range(_TIMES)), key=attrgetter("wall_s"))


def _timed(tool: str, home: Path, *command: str | Path) -> Took:
    """RuntimeError if it fails."""
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=home, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read()
    if process.returncode:
        raise RuntimeError(f"{tool} ended with code {process.returncode}: {said[-500:]}")
    return Took(tool, wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, said.strip())


def _figures(took: Took, ours: Took) -> list[str]:
    times = [f"{took.wall_s:.1f}", f"{took.wall_s / ours.wall_s:.1f}", f"{took.cpu_s:.1f}"]
    return [*times, f"{took.peak_rss_bytes / 1e6:,.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=13_400)
    parser.add_argument("--no-peers", action="store_true")
    asked = parser.parse_args()
    say(report(asked.sessions, not asked.no_peers))


if __name__ == "__main__":
    main()

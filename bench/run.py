"""``make bench``: what leakscope costs a target and takes itself, as Markdown tables beside other tools' rows.

    python bench/run.py [--n 1000000] [--no-sessions]

Runs the installed ``leakscope`` as users do, on services that say themselves for how long they stood still. The
service of one and five million objects is the shared peer benchmark's: $LEAKSCOPE_BENCH_TARGET, by default
../shared/bench/target.py; the rows of other tools are read from RESULTS.md beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from targets import Target, running

ROOT = Path(__file__).resolve().parents[1]
SHARED_TARGET = Path(os.environ.get("LEAKSCOPE_BENCH_TARGET", ROOT.parent / "shared" / "bench" / "target.py"))
SESSIONS_TARGET = ROOT / "fixtures" / "bench" / "sessions_1m.py"
SIZES = (1_000_000, 5_000_000)
SESSIONS = 1_000_000
SETTLE_S = 1.0
PEERS = ("guppy_heap", "pyheap")
HEADINGS = ("command", "wall s", "peak RSS MB", "gap, any thread ms", "gap, service ms", "pause ms", "copied MB")


@dataclass(frozen=True)
class Run:
    """One command: its JSON answer, wall time and peak resident memory."""

    answer: dict[str, Any]
    wall_s: float
    peak_rss_bytes: int


def leakscope(*arguments: object) -> Run:
    """One command as a process of its own; raises RuntimeError if it fails."""
    command = [sys.executable, "-m", "leakscope", *map(str, arguments), "--json"]
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with code {process.returncode}")
        output.seek(0)
        return Run(json.load(output), wall_s, usage.ru_maxrss * 1024)


def attached(name: str, target: Target, *arguments: object) -> tuple[Run, list[str]]:
    """A command that attaches, and its row of the table."""
    time.sleep(SETTLE_S)
    target.ask()
    run = leakscope(name, *arguments)
    gaps = target.ask()
    facts = run.answer.get("snapshot", {})
    pause = f"{facts['pause_ms']:.1f}" if facts else ""
    copied = f"{facts['copied_bytes'] / 1e6:.0f}" if facts else ""
    return run, [*cost(f"{name} PID", run), f"{gaps.any_ms:.1f}", f"{gaps.main_ms:.1f}", pause, copied]


def cost(label: str, run: Run) -> list[str]:
    return [label, f"{run.wall_s:.2f}", f"{run.peak_rss_bytes / 1e6:.0f}"]


def measure(program: Path, size: int, class_glob: str, folder: Path) -> list[str]:
    """All commands on one target, as the lines of a section."""
    file = folder / f"{size}.leakscope"
    with running(program, size) as target:
        taken, snapshot_row = attached("snapshot", target, target.pid, "-o", file)
        _, sessions_row = attached("sessions", target, target.pid)
        rss = target.rss_bytes
    facts = taken.answer["snapshot"]
    limit_ms = 120 * facts["copied_bytes"] / 1e9 + 10
    rows = [
        snapshot_row,
        sessions_row,
        cost("chains FILE --class", leakscope("chains", file, "--class", class_glob)),
        cost("top FILE", leakscope("top", file)),
        cost("sessions FILE", leakscope("sessions", file)),
    ]
    heading = f"## {program.name} {size:,}: {rss / 1e6:.0f} MB, {facts['objects']:,} objects"
    counts = f"{facts['references']:,} references, file {file.stat().st_size / 1e6:.0f} MB"
    return [
        f"{heading}, {counts}",
        "",
        *table(HEADINGS, rows),
        "",
        f"Goal for the gap: {limit_ms:.0f} ms (120 ms per GB copied, and 10 ms).",
    ]


def table(headings: tuple[str, ...], rows: list[list[str]]) -> list[str]:
    width = len(headings)
    lines = [headings, ["---"] * width, *([*row, *[""] * (width - len(row))] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def peer_rows(results: Path, size: int) -> list[str]:
    """The rows of PyHeap and guppy at ``size``, with their headings, from the shared results."""
    if not results.is_file():
        return [f"No rows of other tools: {results} is absent."]
    section = results.read_text().partition(f"### N = {size:,} ")[2].partition("###")[0]
    wanted = re.compile(rf"\| (?:peer|---|{'|'.join(PEERS)})\b|\|---")
    return [line for line in section.splitlines() if wanted.match(line)]


def say(lines: list[str]) -> None:
    sys.stdout.write("\n".join([*lines, "", ""]))
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, help="only this many objects; quick with 1000000")
    parser.add_argument("--no-sessions", action="store_true", help="leave out the service of a million sessions")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="leakscope-bench-"))
    try:
        say([f"# leakscope on Python {sys.version.split()[0]}, {os.cpu_count()} cores"])
        if SHARED_TARGET.is_file():
            for size in (options.n,) if options.n else SIZES:
                say(measure(SHARED_TARGET, size, "__main__.Session", folder))
                say(["Other tools on the same target:", "", *peer_rows(SHARED_TARGET.with_name("RESULTS.md"), size)])
        else:
            say([f"Left out: {SHARED_TARGET} is absent; LEAKSCOPE_BENCH_TARGET can name it."])
        if not (options.n or options.no_sessions):
            say(measure(SESSIONS_TARGET, SESSIONS, "__main__.Session", folder))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

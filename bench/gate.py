"""``make bench-gate``: what the gate and ``diff`` take, beside their goals, as Markdown tables.

    python bench/gate.py [--n 1000000] [--no-diff]

The time of a gate is all of it, the service's start included, without pauses: snapshots, comparison and verdict.
One object lost per round is confirmed by four rounds more. ``diff`` compares two snapshots of a million sessions.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.commands import leakscope, say, table  # noqa: E402
from bench.page.measure import SESSIONS, SESSIONS_PROGRAM  # noqa: E402
from bench.page.target import running  # noqa: E402
from fixtures.gate_service import gate_arguments  # noqa: E402

GOALS_S = {1_000_000: 25.0, 100_000: 8.0}
DIFF_GOAL_S = 15.0


def gate(objects: int, folder: Path, lost: int) -> list[str]:
    """A row of the table."""
    place = folder / f"{objects}-{lost}"
    place.mkdir()
    # Four snapshots are three rounds; one lost object per round is looked for in four.
    options = ["--settle", "0s", "--retry-after", "0s", "--warmup", "0", "--rounds", "4" if lost else "3", "--json"]
    command = [sys.executable, "-m", "leakscope", *gate_arguments(objects, place, lost), *options]
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        answer = json.load(output)
    right = process.returncode == min(lost, 1) and all(".receipts" in leak["message"] for leak in answer["violations"])
    goal = f"{GOALS_S[objects]:.0f}" if objects in GOALS_S and not lost else ""
    cpu_s = usage.ru_utime + usage.ru_stime
    return [
        f"{objects:,}", str(lost), answer["verdict"] if right else f"WRONG: {answer['verdict']}",
        str(len(answer["rounds"])), f"{wall_s:.1f}", f"{cpu_s:.1f}", f"{usage.ru_maxrss * 1024 / 1e6:.0f}", goal,
    ]  # fmt: skip


def diff(folder: Path) -> list[str]:
    """A row: two snapshots of the service of a million sessions."""
    files = [folder / f"{number}.leakscope" for number in (1, 2)]
    with running(Path(sys.executable), SESSIONS, SESSIONS_PROGRAM) as target:
        for file in files:
            time.sleep(1.0)
            leakscope("snapshot", target.pid, "-o", file)
    run = leakscope("diff", *files)
    sizes = " + ".join(f"{file.stat().st_size / 1e6:.0f}" for file in files)
    return [
        f"{SESSIONS:,} sessions",
        sizes,
        f"{run.wall_s:.1f}",
        f"{run.peak_rss_bytes / 1e6:.0f}",
        f"{DIFF_GOAL_S:.0f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, help="only a gate on this many live objects")
    parser.add_argument("--no-diff", action="store_true", help="leave out the diff of two large snapshots")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="leakscope-bench-"))
    headings = (
        "live objects",
        "lost per round",
        "verdict",
        "snapshots",
        "wall s",
        "CPU s, service included",
        "peak RSS MB",
        "goal s",
    )
    try:
        say([f"# leakscope gate on Python {sys.version.split()[0]}, {os.cpu_count()} cores"])
        sizes = [options.n] if options.n else list(GOALS_S)
        say(table(headings, [gate(size, folder, lost) for size in sizes for lost in (0, 1)]))
        if not (options.n or options.no_diff):
            say(table(("diff", "files MB", "wall s", "peak RSS MB", "goal s"), [diff(folder)]))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

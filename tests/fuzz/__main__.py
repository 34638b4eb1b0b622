"""``make fuzz``: damaged inputs of every kind, in two processes; one that escapes is one too many.

    python -m tests.fuzz [INPUTS] [--duration S] [--kinds image,rules] [--seed 1] [--kernels FOLDER] [--keep]

Nothing may crash, hang, take memory without bound, or raise anything but leakscope's own errors. Prints a Markdown
table; with ``--keep`` what escaped becomes part of the corpus in ``fixtures/fuzz``. Exit code 1 if something did.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.fuzz.driver import Escape, Outcome, Plan, fuzz
from tests.fuzz.kinds import SHARES, chosen, load
from tests.fuzz.seeds import FOLDER

_HEADINGS = ("inputs", "number", "read", "refused", "escaped", "a second and process")


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("inputs", nargs="?", type=int, default=100_000)
    parser.add_argument("--duration", type=float, metavar="SECONDS", help="as many inputs as fit, in place of INPUTS")
    parser.add_argument("--kinds", default=",".join(SHARES), help="some of: " + ", ".join(SHARES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--limit", type=float, default=10.0, metavar="SECONDS", help="for one input")
    parser.add_argument("--kernels", default="", metavar="FOLDER", help="that of tests.fuzz.checked")
    parser.add_argument("--keep", action="store_true", help="keep what escaped in fixtures/fuzz")
    options = parser.parse_args()
    inputs = options.inputs if options.duration is None else 1 << 39
    kernels = str(Path(options.kernels).resolve()) if options.kernels else ""
    kinds, duration = options.kinds.split(","), options.duration or 1e9
    outcome = fuzz(Plan(kinds, inputs, duration, options.seed, options.processes, options.limit, kernels))
    _say(*table(kinds, outcome))
    for escape in outcome.escapes:
        where = f" -> {keep(escape, kinds, options.seed)}" if options.keep and escape.kind != "torn" else ""
        _say("", f"{escape.kind} {escape.number} of seed {options.seed}: {escape.how}{where}", escape.text)
    return 1 if outcome.escapes else 0


def table(kinds: list[str], outcome: Outcome) -> list[str]:
    """Markdown: a row for each kind, and one for all."""
    rows = []
    for kind in kinds:
        counts = [outcome.counts[f"{kind} {how}"] for how in ("read", "refused", "escaped")]
        pace = sum(counts) / outcome.spent_s[kind] if outcome.spent_s[kind] else 0.0
        rows.append((kind, sum(counts), *counts, round(pace)))
    sums = [sum(row[column] for row in rows) for column in range(1, 5)]
    rows.append(("all", *sums, round(sums[0] / sum(outcome.spent_s.values() or [1]))))
    lines = [f"| {' | '.join(_HEADINGS)} |", f"|{' --- |' * len(_HEADINGS)}"]
    lines += [f"| {row[0]} | {' | '.join(f'{number:,}' for number in row[1:])} |" for row in rows]
    return [*lines, "", f"{outcome.wall_s:.0f} s, at most {outcome.peak_bytes >> 20} MiB in a process"]


def keep(escape: Escape, kinds: list[str], seed: int) -> Path:
    """Writes the input to the corpus."""
    kind, dice = chosen(kinds, seed, escape.number)
    home = load(kind)
    path = FOLDER / "corpus" / f"{kind}-{seed}-{escape.number}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(home.encode(home.make(dice)))
    return path


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""``python -m tests.suspects.table [--python V] [--keep DIR] [NAME...]``: each program, and what was found in it.

NAME is a glob such as ``leaks/*`` or ``sound/pool*``. A leak is judged on three snapshots, a sound program on 1, 2,
3 and 5. ``--keep`` saves the snapshots of each as ``DIR/NAME-1.leakscope`` and so on.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from leakscope.findings.suspects import Suspect
from leakscope.formats.leakscope_file import save
from leakscope.graph.heap import HeapGraph
from tests.interpreters import Interpreter, one_per_version
from tests.suspects.judge import judge, names_holder
from tests.suspects.programs import Expected, Program, programs
from tests.suspects.verdicts import Suspects, Verdict, taken, verdict_on


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.suspects.table", description=__doc__)
    parser.add_argument("--python", default="3.11", help="version of the interpreter under test")
    parser.add_argument("--keep", type=Path, help="where to save the snapshots")
    parser.add_argument("names", nargs="*", default=["*"])
    options = parser.parse_args()
    (interpreter,) = (one for one in one_per_version() if one.name.startswith(f"{options.python}."))
    for program in [*programs("sound"), *programs("leaks")]:
        if any(fnmatchcase(program.name, name) for name in options.names):
            _row(program, interpreter, options.keep)


def _row(program: Program, interpreter: Interpreter, keep: Path | None) -> None:
    begun = time.perf_counter()
    graphs = taken(program, interpreter)
    captured = time.perf_counter()
    found = verdict_on(program, graphs)
    judged = time.perf_counter()
    if keep:
        _keep(program, graphs, keep)
    rows = _of_leak(found, program.expected) if program.expected else _of_sound(found)
    _say(f"{program.name:28} {rows[0]:56} {captured - begun:.1f} s + {judged - captured:.1f} s", *rows[1:])


def _keep(program: Program, graphs: Sequence[HeapGraph], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, graph in enumerate(graphs, 1):
        save(graph, folder / f"{program.path.stem}-{number}.leakscope")


def _of_leak(verdict: Verdict, expected: Expected) -> list[str]:
    (suspects,) = verdict.suspects.values()
    found = judge(suspects, expected)
    word = "FOUND" if found.rank == 1 else "LOW" if found.rank else "HOLDER?" if found.class_rank else "MISSED"
    pace = "" if found.right_pace else ", wrong pace"
    row = f"{word} rank {found.rank or '-'}, class {found.class_rank or '-'}, {len(suspects)} suspects{pace}"
    return [row, *(line for one in suspects for line in _lines(one, names_holder(one, expected)))]


def _of_sound(verdict: Verdict) -> list[str]:
    rows = [line for span, suspects in verdict.suspects.items() for line in _fired(span, suspects)]
    return ["FIRED", *rows] if rows else ["quiet"]


def _fired(span: str, suspects: Suspects) -> list[str]:
    lines = [line for one in suspects for line in _lines(one, False)]
    return [f"    {span}:", *lines] if lines else []


def _lines(suspect: Suspect, right_holder: bool) -> list[str]:
    mark = "=" if right_holder else " "
    growth = suspect.growth_per_step
    head = f"    {mark} {suspect.kind}: {suspect.class_} x{suspect.count} (+{growth}) in {suspect.holder}"
    return [head, f"        {suspect.chain}", *(f"        - {line}" for line in suspect.evidence)]


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

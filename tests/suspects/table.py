"""``python -m tests.suspects.table [--python P] [--steps N] [--keep DIR] [NAME...]``: each program, and what was found.

NAME is a glob such as ``leaks/*`` or ``sound/pool*``. A leak is judged on ``--steps`` snapshots (3), a sound program
on 1, 2, 3 and 5. ``--keep`` saves the snapshots of each as ``DIR/NAME-1.leakscope`` and so on.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from leakscope.analysis.suspects import find_suspects

from leakscope.findings.suspects import Suspect
from leakscope.formats.leakscope_file import save
from leakscope.graph.heap import HeapGraph
from tests.interpreters import Interpreter, one_per_version
from tests.suspects.judge import judge, names_holder
from tests.suspects.programs import Expected, Program, programs, snapshots
from tests.suspects.series import SOUND_SNAPSHOTS, prefixes


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.suspects.table", description=__doc__)
    parser.add_argument("--python", default="3.11", help="version of the interpreter under test")
    parser.add_argument("--steps", type=int, default=3, help="snapshots of a leaking program")
    parser.add_argument("--keep", type=Path, help="where to save the snapshots")
    parser.add_argument("names", nargs="*", default=["*"])
    options = parser.parse_args()
    (interpreter,) = (one for one in one_per_version() if one.name.startswith(f"{options.python}."))
    for program in [*programs("sound"), *programs("leaks")]:
        if any(fnmatchcase(program.name, name) for name in options.names):
            _row(program, interpreter, options.steps, options.keep)


def _row(program: Program, interpreter: Interpreter, steps: int, keep: Path | None) -> None:
    begun = time.perf_counter()
    count = steps if program.expected else SOUND_SNAPSHOTS
    graphs = snapshots(program.python(interpreter), program, count)
    taken = time.perf_counter()
    if keep:
        _keep(program, graphs, keep)
    rows = _of_leak(graphs, program.expected) if program.expected else _of_sound(graphs)
    times = f"{taken - begun:.1f} s + {time.perf_counter() - taken:.1f} s"
    _say(f"{program.name:28} {rows[0]:52} {times}", *rows[1:])


def _keep(program: Program, graphs: Sequence[HeapGraph], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, graph in enumerate(graphs, 1):
        save(graph, folder / f"{program.path.stem}-{number}.leakscope")


def _of_leak(graphs: Sequence[HeapGraph], expected: Expected) -> list[str]:
    suspects = find_suspects(graphs).suspects
    found = judge(suspects, expected)
    verdict = "FOUND" if found.rank == 1 else "LOW" if found.rank else "HOLDER?" if found.class_rank else "MISSED"
    pace = "" if found.right_pace else ", wrong pace"
    row = f"{verdict} rank {found.rank}, class rank {found.class_rank}, {len(suspects)} suspects{pace}"
    return [row, *(line for one in suspects for line in _lines(one, names_holder(one, expected)))]


def _of_sound(graphs: Sequence[HeapGraph]) -> list[str]:
    rows = []
    for name, part in prefixes(graphs):
        for one in find_suspects(part).suspects:
            rows += [f"    {name}:", *_lines(one, False)]
    return ["FIRED", *rows] if rows else ["quiet"]


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

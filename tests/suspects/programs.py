"""The programs of ``fixtures/targets/sound`` and ``leaks``: what they need, what must be found, how they are driven."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from leakscope.cli.source import capture_graph
from leakscope.graph.heap import HeapGraph
from tests.catalogue.environments import with_libraries
from tests.interpreters import Interpreter, with_web_packages

TARGETS = Path(__file__).resolve().parents[2] / "fixtures" / "targets"
UNITS = 40
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Expected:
    """What must be among the first suspects of a leaking program."""

    classes: tuple[str, ...]
    """Globs over ``module.QualName``: the names that its author would use, any of them is right; the first is the
    class that tells the pace."""
    holder: str
    """A regular expression that holder or chain matches."""
    per_unit: tuple[float, float]
    """How many are kept for one unit of work, at least and at most."""


@dataclass(frozen=True)
class Program:
    """One program; nothing of it is imported."""

    path: Path
    expected: Expected | None
    """None: it is sound."""
    needs: str | None
    """Which environment it runs in; None: any interpreter."""

    @property
    def name(self) -> str:
        """``leaks/module_dict``; serves as the id of a test's parameter."""
        return f"{self.path.parent.name}/{self.path.stem}"

    def python(self, interpreter: Interpreter) -> Path:
        """The Python to run it with."""
        if self.needs is None:
            return interpreter.path
        return with_web_packages(interpreter) if self.needs == "web" else with_libraries(interpreter, "web")


def programs(folder: str) -> list[Program]:
    """All of ``sound`` or ``leaks``, by name."""
    found = [_read(path) for path in sorted((TARGETS / folder).glob("*.py"))]
    assert found, f"there is no program in {TARGETS / folder}"
    return found


def _read(path: Path) -> Program:
    literals = _literals(path)
    needs = literals.get("NEEDS")
    assert needs in (None, "web", "http"), f"{path}: nobody knows the environment {needs!r}"
    if path.parent.name == "sound":
        assert "EXPECTED" not in literals, f"{path} is sound and expects to be found leaking"
        return Program(path, None, needs)
    told: dict[str, Any] = dict(literals["EXPECTED"])
    classes, pace = told.pop("class"), told.pop("per_unit")
    least, most = pace if isinstance(pace, list) else (pace, pace)
    expected = Expected(tuple([classes] if isinstance(classes, str) else classes), told.pop("holder"), (least, most))
    assert not told, f"{path}: nobody reads {sorted(told)}"
    return Program(path, expected, needs)


def _literals(path: Path) -> dict[str, Any]:
    """``NEEDS`` and ``EXPECTED`` as they are written."""
    found = {}
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            if name in ("NEEDS", "EXPECTED"):
                found[name] = ast.literal_eval(statement.value)
    return found


def count_of(graph: HeapGraph, glob: str) -> int:
    """How many objects of a class there are; garbage counts."""
    rows = [row for row, name in enumerate(graph.types.name) if fnmatchcase(name, glob)]
    return int(np.count_nonzero(np.isin(graph.type, rows)))


def snapshots(python: Path, program: Program, count: int, units: int = UNITS) -> list[HeapGraph]:
    """The heap after each of the first ``count`` rounds of ``units`` units of work."""
    with running(python, program) as service:
        return [service.look_after(units) for _ in range(count)]


class Service:
    """A running program that is ready."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._rounds = 0
        assert self._hear() == {"ready": True, "pid": process.pid}

    def look_after(self, units: int) -> HeapGraph:
        """The heap after one more round."""
        assert self._process.stdin
        self._rounds += 1
        self._process.stdin.write(f"round {units}\n")
        self._process.stdin.flush()
        assert self._hear() == {"round": self._rounds}
        return capture_graph(self._process.pid)

    def _hear(self) -> Any:
        assert self._process.stdout
        limit = threading.Timer(PATIENCE_S, self._process.kill)
        limit.start()
        try:
            line = self._process.stdout.readline()
        finally:
            limit.cancel()
        assert line, f"{self._process.args!r} ended, or was silent for {PATIENCE_S:.0f} s"
        return json.loads(line)


@contextlib.contextmanager
def running(python: Path, program: Program) -> Iterator[Service]:
    """The program's process, ended when the block is left."""
    command: list[str | Path] = [python, program.path]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TARGETS), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    try:
        yield Service(process)
    finally:
        process.kill()
        with contextlib.suppress(BrokenPipeError):
            process.communicate()

"""What the fuzzer makes inputs of. Each kind is a module of its own, loaded when it is asked for."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any, Protocol

SHARES: dict[str, float] = {
    "image": 12, "snapshot": 14, "graph": 44, "rules": 20, "core": 10, "hprof": 10, "v8": 10, "pprof": 10, "torn": 0.2,
}  # fmt: skip
"""How many inputs are of each kind, to the others."""
HOMES = {
    "image": "images:Images",
    "snapshot": "snapshots:Snapshots",
    "graph": "snapshots:Graphs",
    "rules": "rules:Rules",
    "core": "cores:Cores",
    "hprof": "dumps:Hprof",
    "v8": "dumps:V8",
    "pprof": "dumps:Pprof",
    "torn": "torn:Torn",
    "trap": "traps:Traps",
}


class Kind(Protocol):
    """``make`` is the same for equal dice; ``run`` raises LeakscopeError where leakscope refuses the input."""

    def make(self, dice: Random) -> Any: ...

    def run(self, made: Any) -> None: ...

    def encode(self, made: Any) -> bytes: ...

    def decode(self, raw: bytes) -> Any: ...


def own_folder() -> Path:
    """For the files of one kind; gone with this process, or with the driver's folder if that does not end well."""
    folder = tempfile.mkdtemp(prefix="leakscope-fuzz-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def load(name: str) -> Kind:
    """The kind of that name."""
    module, _, attribute = HOMES[name].partition(":")
    kind: Kind = getattr(import_module(f"tests.fuzz.{module}"), attribute)()
    return kind


def chosen(names: list[str], seed: int, number: int) -> tuple[str, Random]:
    """Of which kind the input of that number is, and its dice."""
    dice = Random(seed << 40 | number)
    shares = [SHARES.get(name, 10) for name in names]
    return dice.choices(names, shares)[0], dice

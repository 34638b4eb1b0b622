"""Reads what ``fixtures/targets/inside.py`` dumped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_HAVE_GC = 1 << 14


@dataclass(frozen=True)
class TrueType:
    """A type as it describes itself."""

    name: str | None
    """``module.QualName`` without ``builtins.``; None if its ``__module__`` is no text."""
    has_gc: bool
    has_builtin_size: bool
    """Instances count their size as ``object`` or a builtin container does."""


@dataclass(frozen=True)
class Truth:
    """Every object of a process, by ascending address, as gc and sys see it."""

    address: npt.NDArray[np.uint64]
    type: npt.NDArray[np.uint64]
    """Address of the type."""
    size: npt.NDArray[np.int64]
    tracked: npt.NDArray[np.bool_]
    source: npt.NDArray[np.int64]
    """Of each reference: row of its holder. With ``target`` in no particular order, duplicates kept."""
    target: npt.NDArray[np.uint64]
    """Address."""
    types: dict[int, TrueType]
    threads: list[dict[str, Any]]


def load_truth(path: Path) -> Truth:
    """The truth in ``path``."""
    with path.open("rb") as file:
        header = json.loads(file.readline())
        columns = {name: np.fromfile(file, np.dtype(code), length) for name, code, length in header["arrays"]}
    order = np.argsort(columns["id"])
    row_of_unsorted = np.empty(len(order), np.int64)
    row_of_unsorted[order] = np.arange(len(order))
    return Truth(
        address=columns["id"][order],
        type=columns["type"][order],
        size=columns["size"][order],
        tracked=columns["tracked"][order].astype(bool),
        source=np.repeat(row_of_unsorted, columns["references"]),
        target=columns["target"],
        types={
            int(key): TrueType(name, bool(flags & _HAVE_GC), has_builtin_size)
            for key, (name, flags, has_builtin_size) in header["types"].items()
        },
        threads=header["threads"],
    )

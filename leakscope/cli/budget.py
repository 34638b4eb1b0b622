"""``--max-memory`` and ``--spill-dir``: what this process may take, for every command that reads a process.

The options keep what they were given here, so that no command needs to hand it on.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from leakscope.target.budget import Budget

_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT])(?:i?B)?", re.IGNORECASE)
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_MOST_BYTES = 1 << 60


@dataclasses.dataclass
class _Asked:
    most_bytes: int | None = None
    folder: Path | None = None


_asked = _Asked()


def size(text: str) -> int:
    """``2G``, ``500M``, ``1.5GiB`` -> bytes; a number needs its unit, which is binary."""
    parts = _SIZE.fullmatch(text)
    if not parts:
        raise typer.BadParameter(f"{text!r} is no size such as 2G or 500M")
    wanted = float(parts[1]) * _UNITS[parts[2].upper()]
    if wanted > _MOST_BYTES:
        raise typer.BadParameter(f"{text!r} is more than any machine has")
    return int(wanted)


def _keep_most(value: int | None) -> int | None:
    _asked.most_bytes = value
    return value


def _keep_folder(value: Path | None) -> Path | None:
    _asked.folder = value
    return value


def budget() -> Budget:
    """What the command line allows."""
    from leakscope.target.budget import Budget

    return Budget(_asked.most_bytes, _asked.folder)


def given() -> list[str]:
    """The options above that stand on the command line."""
    options = [f"--max-memory {_asked.most_bytes >> 20}M"] if _asked.most_bytes is not None else []
    return options + ([f"--spill-dir {_asked.folder}"] if _asked.folder else [])


MaxMemoryOption = Annotated[
    int | None,
    typer.Option(
        "--max-memory",
        metavar="SIZE",
        parser=size,
        callback=_keep_most,
        help="With a PID or a core: the most memory leakscope takes itself, as in 2G or 500M; the rest goes to files "
        "without a name, which may hold what the process's memory holds.",
        show_default=False,
    ),
]
SpillDirOption = Annotated[
    Path | None,
    typer.Option(
        "--spill-dir",
        metavar="FOLDER",
        callback=_keep_folder,
        help="For these files; default the folder for temporary files. It must be on a disk.",
        show_default=False,
    ),
]

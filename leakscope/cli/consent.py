"""``--yes``: whether a service may be stopped for longer than a copy of its memory takes; asked on a terminal only.

The option keeps what it was given here, so that no command needs to hand it on.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Annotated

import typer

from leakscope.errors import UsageError


@dataclass
class _Given:
    beforehand: bool = False
    to: set[int] = field(default_factory=set)
    """PIDs about which the user was asked: one answer holds for all looks of a run."""


_given = _Given()


def _keep(value: bool) -> bool:
    _given.beforehand = value
    _given.to.clear()
    return value


YesOption = Annotated[
    bool,
    typer.Option(
        "--yes",
        "-y",
        callback=_keep,
        help="With the PID of a JVM or Node: do not ask before it stands still for its dump.",
    ),
]


def agree(pid: int, pause: str) -> None:
    """Says what ``pause`` a process will have, and asks where somebody can answer. UsageError if the answer is no."""
    if pid in _given.to:
        return
    sys.stderr.write(f"leakscope: {pause}\n")
    asks = not _given.beforehand and sys.stdin.isatty() and sys.stderr.isatty()
    if asks and not typer.confirm("Go on?", err=True):
        raise UsageError("nothing was taken", "--yes answers beforehand.")
    _given.to.add(pid)

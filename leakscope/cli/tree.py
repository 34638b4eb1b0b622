"""``leakscope snapshot --tree``: all processes of a service, one file each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from leakscope.errors import EXIT_ATTACH, EXIT_CLEAN, AttachError, InputError

if TYPE_CHECKING:
    from leakscope.findings.model import FamilyMember, ProcessRow, Snapshot

Take = Callable[[int], "Snapshot"]
"""Captures the process with that PID into its file; raises AttachError or InputError."""


def make_folder(folder: Path) -> None:
    """So that files can come to stand in ``folder``; made if its parent is there. Raises InputError."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        what = "it is a file" if folder.exists() else error.strerror
        raise InputError(
            f"cannot write to {folder}: {what}", "With --tree name a folder: -o DIR; it is made if it is not there."
        ) from error


def take_family(rows: Sequence[ProcessRow], take: Take) -> list[FamilyMember]:
    """``take`` for each Python among the processes of a family, one after the other, in their order.

    Each process stands only while its own memory is copied. One that cannot be read, or ends meanwhile, does not keep
    the others from being taken. AttachError if nothing could be: with the reason of the first Python.
    """
    members = list(_taken(rows, take))
    if any(member.snapshot for member in members):
        return members
    told = next((member for member in members if member.refused), None)
    if told is None:
        raise AttachError(
            f"None of the {len(members)} processes runs a Python that leakscope could read",
            "`leakscope ps` lists the processes that can be.",
        )
    raise AttachError(
        f"None of the {len(members)} processes could be taken; {told.pid} ({told.command}): {told.reason}",
        f"`leakscope doctor {told.pid}` says what is in the way.",
    )


def exit_code(members: Iterable[FamilyMember]) -> int:
    """4 if a Python that is there could not be read: then the picture of the service has a hole."""
    return EXIT_ATTACH if any(member.refused for member in members) else EXIT_CLEAN


def _taken(rows: Iterable[ProcessRow], take: Take) -> Iterator[FamilyMember]:
    from leakscope.findings.model import FamilyMember
    from leakscope.target.processes import NO_RIGHTS, has_ended

    for row in rows:
        snapshot, reason, refused = None, row.reason, row.runtime == "cpython" or row.reason == NO_RIGHTS
        if row.supported:
            try:
                snapshot, refused = take(row.pid), False
            except AttachError as error:
                refused = not has_ended(row.pid)
                reason = error.message if refused else "it ended meanwhile"
        yield FamilyMember(row.pid, row.parent, row.pid_inside, row.command, snapshot, reason, refused)

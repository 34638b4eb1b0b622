"""The arguments and options that several commands share, so that they read alike everywhere."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Pause(str, Enum):
    """How the target is treated while its memory is copied."""

    COPY = "copy"
    FORK = "fork"
    NONE = "none"


def address(text: str) -> int:
    """``0x7f12...`` or decimal digits -> an address."""
    try:
        return int(text, 0)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no address such as 0x7f0a5c3e9d10") from None


SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A PID, a snapshot, a dump of a JVM or of V8, an ELF core, or the URL of a Node's inspector "
        "(./4242 for a file whose name is a number).",
    ),
]
TargetArgument = Annotated[
    str, typer.Argument(metavar="SOURCE", help="A PID, a dump of a JVM or of V8, an ELF core, or a URL of Node or Go.")
]
ExeOption = Annotated[
    Path | None,
    typer.Option(
        "--exe",
        metavar="PATH",
        help="With a core: the program that ran, if it is not where it was.",
        show_default=False,
    ),
]
LibsOption = Annotated[
    Path | None,
    typer.Option(
        "--libs",
        metavar="DIR",
        help="With a core: a folder with the program and its libraries, such as the root of its container.",
        show_default=False,
    ),
]
PauseOption = Annotated[
    Pause | None,
    typer.Option(
        help="copy: stop the target while its memory is copied. fork: only while it forks a frozen child, which is "
        "read instead. none: never stop it; references that change meanwhile are lost. Default: fork from 128 MB up "
        "where it can be, else copy.",
        show_default=False,
    ),
]
RevealOption = Annotated[
    bool,
    typer.Option("--reveal", help="Keep dict keys and ids as they are instead of masking them. May show secrets."),
]
ClassOption = Annotated[
    str | None,
    typer.Option("--class", metavar="GLOB", help="Only classes whose module.QualName matches, as in 'myapp.*Session'."),
]
AddressOption = Annotated[
    int | None,
    typer.Option(
        "--at",
        metavar="ADDRESS",
        parser=address,
        help="Only the object at this address, as in 0x7f0a5c3e9d10.",
    ),
]
IdOption = Annotated[
    str | None,
    typer.Option(
        "--id", metavar="ID", help="Only sessions with this id, or with this mask of it, as in #1a2b3c4d5e6f."
    ),
]
RulesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--rules",
        metavar="FILE",
        help="Session rules (TOML) that come before all others. With a PID or a core; repeatable.",
        show_default=False,
    ),
]
LimitOption = Annotated[int, typer.Option(metavar="N", min=1, help="Show at most this many rows.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output and nothing else.")]
NoColorOption = Annotated[
    bool, typer.Option("--no-color", help="Plain text. So does the NO_COLOR environment variable.")
]

"""How wide and how colourful the screen is, and the drawing of rich's tables to a string for it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from leakscope.render.escape import escaped
from leakscope.render.units import UNKNOWN

Justify = Literal["left", "right"]


@dataclass(frozen=True)
class Screen:
    """Where text goes."""

    width: int = 80
    color: bool = False


@dataclass(frozen=True)
class Column:
    """A column of a table; names stand left and fold if they must."""

    heading: str = ""
    justify: Justify = "left"
    folds: bool = True


def number(heading: str) -> Column:
    """A column of figures: to the right, each in one piece."""
    return Column(heading, "right", folds=False)


def safe(text: str | None, style: str = "") -> Text:
    """Foreign text, escaped, never read as markup."""
    return Text(escaped(text if text is not None else "-"), style=style, overflow="fold")


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> Table:
    """A table without rules: a heading line if any column has one, then the rows."""
    headed = any(column.heading for column in columns)
    drawn = Table(box=None, pad_edge=False, show_header=headed, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        drawn.add_column(Text(column.heading), justify=column.justify, no_wrap=not column.folds, overflow="fold")
    for row in rows:
        drawn.add_row(*(safe(cell) for cell in row))
    return drawn


def known_columns(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> Table:
    """The table without the columns of which nothing is known."""
    kept = [at for at in range(len(columns)) if any(row[at] != UNKNOWN for row in cells)]
    return table([columns[at] for at in kept], [[row[at] for at in kept] for row in cells])


def hanging(label: str, content: Text) -> Table:
    """``label content``; what folds stays under the beginning of ``content``."""
    drawn = Table.grid(padding=(0, 1, 0, 0))
    drawn.add_row(Text(label), content)
    return drawn


def indented(content: RenderableType, columns: int) -> Padding:
    """``content`` moved right; what folds stays under its beginning."""
    return Padding(content, (0, 0, 0, columns))


def draw(parts: list[RenderableType], screen: Screen) -> str:
    """``parts`` below each other, each line without trailing blanks, ending in one line break."""
    console = Console(
        file=io.StringIO(),
        width=screen.width,
        force_terminal=screen.color,
        color_system="standard" if screen.color else None,
        no_color=not screen.color,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
        _environ={},
    )
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())

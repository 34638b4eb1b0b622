"""A retaining chain as text: a headline, then one line per reference, root first, each a step further in."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from leakscope.findings.model import ChainRoot, ChainStep, Cluster
from leakscope.render import units
from leakscope.render.screen import hanging, indented, safe

MARGIN = 4
DEEPEST = 10
"""Steps are indented up to this one; deeper ones stay below it, so that a narrow screen has room."""


def cluster(rank: int, found: Cluster) -> list[RenderableType]:
    """The lines of one cluster, ``rank`` (from 1) before its headline."""
    steps = [indented(_step(step), MARGIN + 2 * min(depth, DEEPEST)) for depth, step in enumerate(found.steps, start=1)]
    samples = ", ".join(hex(address) for address in found.sample_addresses[:3])
    return [
        _headline(rank, found),
        indented(_root(found.root), MARGIN),
        *steps,
        indented(Text(f"for example {samples}", style="dim", overflow="fold"), MARGIN),
    ]


def _headline(rank: int, found: Cluster) -> RenderableType:
    line = Text(overflow="fold")
    line.append(f"{units.count(found.count)} x ", style="bold")
    line.append_text(safe(found.class_, "bold"))
    line.append(f"  {units.size(found.retained_bytes)} retained")
    line.append_text(safe(f"  fingerprint {found.fingerprint}", "dim"))
    return hanging(f"{rank:>2}.", line)


def _root(root: ChainRoot) -> Text:
    line = Text(overflow="fold").append_text(safe(root.kind, "cyan"))
    line.append(" ")
    line.append_text(safe(root.name))
    line.append_text(_place(None, root.file, root.line))
    return line


def _step(step: ChainStep) -> Text:
    line = Text(overflow="fold").append_text(safe(step.edge, "cyan"))
    line.append(": ")
    line.append_text(safe(step.type))
    line.append_text(_place(step.function, step.file, step.line))
    return line


def _place(function: str | None, file: str | None, line: int | None) -> Text:
    """``  in function()  file:line``, what is not known left out."""
    place = Text()
    if function:
        place.append_text(safe(f"  in {function}()"))
    if file:
        place.append_text(safe(f"  {file}:{line}" if line else f"  {file}", "dim"))
    return place

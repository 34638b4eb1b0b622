"""One comparison of two mechanisms: a table, and what it had to reach."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.catalogue.environments import with_libraries
from tests.interpreters import one_per_version


@dataclass(frozen=True)
class Comparison:
    """Both sides of one run beside the write-up's."""

    title: str
    rows: tuple[tuple[str, ...], ...]
    """The heading first."""
    targets: tuple[tuple[str, bool], ...]
    """What had to be reached, and whether it was."""

    @property
    def reached(self) -> bool:
        """Whether all of it was."""
        return all(met for _, met in self.targets)

    def text(self) -> str:
        """In Markdown, with the load of the machine when it was measured."""
        head, *body = ["| " + " | ".join(row) + " |" for row in self.rows]
        targets = [f"- {target}: {'reached' if met else 'NOT REACHED'}" for target, met in self.targets]
        load = f"Load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs."
        rule = "|" + " --- |" * len(self.rows[0])
        return "\n".join([f"## {self.title}", "", head, rule, *body, "", load, "", *targets, "", ""])


def times(before: float, after: float) -> str:
    """How many times the one is the other."""
    ratio = before / after
    return f"{ratio:.0f} x" if ratio >= 10 else f"{ratio:.1f} x"


def python_of_services() -> Path:
    """An interpreter with the libraries that the services run on; made when first asked for."""
    return with_libraries(one_per_version()[-1], "services")

"""What is measured of one tool on one target."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Row:
    """One use of one tool. Sizes in bytes; None: does not apply."""

    tool: str
    gap_any_ms: float | None = None
    """For how long nothing of the target ran Python."""
    gap_main_ms: float | None = None
    """For how long the service in the target's main thread did not answer."""
    wall_s: float | None = None
    tool_cpu_s: float | None = None
    target_cpu_s: float | None = None
    tool_peak: int | None = None
    target_peak: int | None = None
    """The target's resident memory at its peak, less that before."""
    target_left: int | None = None
    """The same afterwards."""
    output: int | None = None
    """Bytes of the files that were written."""
    answer: str = ""
    right: bool | None = None
    """Whether the answer is what the service knows to be true; None: there was none."""
    problem: str = ""
    """Why there are no figures."""
    pause_ms: float | None = None
    """As the tool says itself."""
    copied: int | None = None
    objects: int | None = None
    """In the heap, as the tool counts them."""


def median(rows: Sequence[Row]) -> Row:
    """Figure by figure; an answer is right if all are. Rows with a problem are left out where others have none."""
    good = [row for row in rows if not row.problem] or list(rows)
    last = good[-1]
    values = {}
    for each in fields(Row):
        found = [getattr(row, each.name) for row in good]
        numbers = [value for value in found if isinstance(value, (int, float)) and not isinstance(value, bool)]
        values[each.name] = statistics.median(numbers) if numbers else found[-1]
    rights = [row.right for row in good if row.right is not None]
    values["right"] = all(rights) if rights else None
    values["answer"] = last.answer
    return Row(**values)

"""Numbers of ``graph.facts``, which may come from a foreign file: what has another type than it should is unknown."""

from __future__ import annotations

from typing import Any

MOST_ROWS = 50


def count(value: Any) -> int | None:
    """A whole number from 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63 else None


def counts(value: Any) -> dict[str, int] | None:
    """Whole numbers by name, at most ``MOST_ROWS``; None for what is no table."""
    if not isinstance(value, dict):
        return None
    known = {str(name): count(number) for name, number in list(value.items())[:MOST_ROWS]}
    return {name: number for name, number in known.items() if number is not None}

"""Durations on a command line: ``90s``, ``30m``, ``1h30m``, ``7d``."""

from __future__ import annotations

import re

import typer

_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST = 100 * 365 * 86400.0


def duration(text: str | float) -> float:
    """Seconds. A number needs its unit: ``30`` might be minutes. An option's default is a number already."""
    if isinstance(text, float):
        return text
    parts = _PARTS.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise typer.BadParameter(f"{text!r} is no duration such as 90s, 30m, 1h30m or 7d")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if seconds > _LONGEST:
        raise typer.BadParameter(f"{text!r} is longer than a century")
    return seconds

"""What is too much: ``[tool.leakscope.gate]`` in pyproject.toml or ``[gate]`` in leakscope.toml, and flags over it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from leakscope.errors import UsageError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


@dataclass(frozen=True)
class Policy:
    """Limits; None switches a rule off. A pattern is a glob over ``module.QualName`` or over a holder's name."""

    growth: float | None = 0.0
    """Objects that a round may leave behind, per leak."""
    closed_retained: int | None = 0
    """Closed sessions that may be held, of exact rules."""
    expected_gone: int | None = 0
    """Sessions that the service itself said would be gone by now."""
    closing_hung: int | None = 0
    """Sessions that have been closing for longer than a minute."""
    holder_dead: int | None = 0
    """Sessions whose holder shows no sign of life."""
    unregistered: int | None = 0
    """Sessions that live although their registry has forgotten them."""
    overdue: int | None = None
    age: float | None = None
    """Seconds."""
    idle: float | None = None
    sessions: Mapping[str, int] = field(default_factory=dict)
    """Most live sessions, by pattern of their class."""
    retained: Mapping[str, int] = field(default_factory=dict)
    """Most retained bytes, by pattern of the class."""
    containers: Mapping[str, int] = field(default_factory=dict)
    """Most entries, by pattern of the holder, such as ``app.SESSIONS``."""
    descriptors: float | None = None
    """File descriptors by which a round may grow."""
    threads: float | None = None
    ended: bool = False
    """Whether each round ends what it begins: sessions that still have time to live are then no excuse for growth."""
    guessed: bool = False
    """Whether sessions that only their name makes sessions count for the rules that ask a session itself."""


def policy_of(table: Mapping[str, Any], source: str, base: Policy | None = None) -> Policy:
    """The policy in a TOML table. UsageError names the source and the key that is wrong."""
    given: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in _READERS:
            known = ", ".join(sorted(each.replace("_", "-") for each in _READERS))
            raise UsageError(f"{source}: the gate knows no {key!r}", f"It knows {known}.")
        try:
            given[name] = _READERS[name](value)
        except ValueError as error:
            raise UsageError(
                f"{source}: gate.{key}: {error}", "leakscope gate --help shows each with an example."
            ) from None
    return replace(base or Policy(), **given)


def _count(value: Any) -> int | None:
    if value is False:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is neither a count nor false")
    return value


def _rate(value: Any) -> float | None:
    if value is True:
        return 0.0
    if value is False:
        return None
    if not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError(f"{value!r} is neither true, false nor a number per round")
    return float(value)


def _seconds(value: Any) -> float | None:
    if value is False:
        return None
    parts = _DURATION.findall(value) if isinstance(value, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError(f"{value!r} is no duration such as '90s', '30m' or '1h30m'")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def _counts(value: Any) -> dict[str, int]:
    return {pattern: _one_count(limit) for pattern, limit in _table(value).items()}


def _one_count(value: Any) -> int:
    count = _count(value)
    if count is None:
        raise ValueError("false is no limit; leave the pattern out")
    return count


def _sizes(value: Any) -> dict[str, int]:
    return {pattern: _size(limit) for pattern, limit in _table(value).items()}


def _size(value: Any) -> int:
    """``1048576`` or ``'50 MiB'``."""
    if isinstance(value, str):
        found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMG]i?B|B)", value)
        if not found:
            raise ValueError(f"{value!r} is no size such as '50 MiB'")
        return int(float(found[1]) * _BYTES[found[2]])
    return _one_count(value)


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is no table of pattern = limit")
    return value


_READERS = {
    "growth": _rate, "closed_retained": _count, "expected_gone": _count, "closing_hung": _count,
    "holder_dead": _count, "unregistered": _count, "overdue": _count, "age": _seconds, "idle": _seconds,
    "sessions": _counts, "retained": _sizes, "containers": _counts, "descriptors": _rate, "threads": _rate,
    "ended": _bool, "guessed": _bool,
}  # fmt: skip

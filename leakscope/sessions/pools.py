"""What pools have lent out, by the counters they keep, and to whom."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import numpy as np

from leakscope.graph.heap import Floats
from leakscope.graph.values import Value
from leakscope.sessions.paths import Objects
from leakscope.sessions.problems import RuleError
from leakscope.sessions.rules import Rule
from leakscope.sessions.steps import Path, parse_path

MOST_POOLS = 1 << 12
MOST_LENT = 1 << 17
UNLIMITED = 1_000_000
"""Who allows so many limits nothing, nor does 0."""
Sum: TypeAlias = tuple[tuple[int, Path], ...]
"""Signs and paths."""


def parse_sum(text: str) -> Sum:
    """``a - b@len + c.d``. Raises RuleError."""
    first, *rest = re.split(r"\s+([+-])\s+", text.strip())
    terms = [("+", first), *zip(rest[::2], rest[1::2], strict=True)]
    if not all(term for _, term in terms):
        raise RuleError(f"{text!r} is no sum: paths with + or - between them are meant")
    return tuple((1 if sign == "+" else -1, parse_path(term)) for sign, term in terms)


class Lending:
    """Gathers what rules say of pools and of what they have lent, rule by rule."""

    def __init__(self) -> None:
        self._pools: list[tuple[int, int | None, int | None, int | None]] = []
        self._lent: list[tuple[int, int]] = []

    def note(self, rule: Rule, objects: Objects) -> None:
        """The objects that ``rule`` claims."""
        if rule.lends is not None:
            taken = _whole(_first(objects, rule.lends.taken))
            idle = _whole(_first(objects, rule.lends.idle))
            limit = [most if most and most < UNLIMITED else None for most in _limits(objects, rule.lends.limit)]
            self._pools += list(zip(objects.nodes.tolist(), taken, idle, limit, strict=True))[:MOST_POOLS]
        if rule.lent_by:
            pool = objects.at(parse_path(rule.lent_by).steps)
            self._lent += list(zip(objects.nodes.tolist(), pool.tolist(), strict=True))[:MOST_LENT]

    def facts(self) -> dict[str, Any] | None:
        """JSON values for ``graph.facts``, None without pools: nodes of pools with their counters, None where unknown.

        ``lent`` and ``lent_by`` are parallel: nodes of what a pool has lent, and of the pool.
        """
        if not self._pools:
            return None
        node, taken, idle, limit = (list(column) for column in zip(*self._pools, strict=True))
        known = set(node)
        lent = [pair for pair in self._lent if pair[1] in known]
        return {
            "node": node,
            "taken": taken,
            "idle": idle,
            "limit": limit,
            "lent": [each for each, _ in lent],
            "lent_by": [pool for _, pool in lent],
        }


def _first(objects: Objects, sums: tuple[str, ...]) -> Floats:
    """By object: the first sum of which every part is a number; NaN if none is."""
    found = np.full(len(objects), np.nan)
    for text in sums:
        parts = [sign * _number(objects, path) for sign, path in parse_sum(text)]
        found = np.where(np.isnan(found), np.sum(parts, axis=0), found)
    return found


def _limits(objects: Objects, sums: tuple[str, ...]) -> list[int | None]:
    """As ``_first``, but a part below 0 says that there is no limit."""
    open_ = np.zeros(len(objects), dtype=np.bool_)
    for text in sums:
        for _, path in parse_sum(text):
            open_ |= _number(objects, path) < 0
    return _whole(np.where(open_, np.nan, _first(objects, sums)))


def _number(objects: Objects, path: Path) -> Floats:
    values = objects.values(path)
    number: Floats = np.where(values.kind == Value.INT, values.number, np.nan)
    return number


def _whole(numbers: Floats) -> list[int | None]:
    """A counter below 0 was read while it changed: unknown, as NaN is."""
    return [int(number) if number >= 0 else None for number in numbers.tolist()]

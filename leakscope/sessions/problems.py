"""What is wrong with a rule: named, told once, and never fatal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class RuleProblem:
    """One mistake in one rule; ``rule`` is "" where a whole source is broken."""

    source: str
    rule: str
    text: str


class RuleError(ValueError):
    """What a parser found wrong, to become a ``RuleProblem``; the message is for whoever wrote the rule."""


def nearest(wrong: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)``, or "" if nothing is close."""
    close = get_close_matches(wrong, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""

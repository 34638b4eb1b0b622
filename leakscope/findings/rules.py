"""Which rules there are, and what came of each in one heap."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Count:
    """How many objects have one name: a class, or the rule that claims them."""

    name: str
    count: int


@dataclass(frozen=True)
class RuleUse:
    """What a rule found."""

    count: int
    classes: tuple[Count, ...]
    """Its sessions by class, the most first."""
    refused: int | None
    """Objects of its classes for which its ``when`` does not hold; None: not recorded."""
    claimed_before: tuple[Count, ...] | None
    """Objects of its classes that rules before it claim, by rule; None: not recorded."""
    unread: tuple[str, ...] | None
    """Which of its fields led nowhere for every one of its sessions; None: not recorded."""


@dataclass(frozen=True)
class RuleRow:
    """One rule, in the order in which they are asked."""

    name: str
    title: str | None
    category: str
    source: str | None
    classes: tuple[str, ...]
    """Globs of classes; for dicts the keys in brackets, as in ``['session_id']``."""
    disabled_by: str | None
    """The source that switches it off or has another rule of its name."""
    use: RuleUse | None = None
    """None where no heap was asked."""


@dataclass(frozen=True)
class RuleFault:
    """A mistake in a source of rules; ``rule`` is None where it is not about one rule."""

    source: str
    rule: str | None
    text: str


@dataclass(frozen=True)
class RuleReport:
    """The whole answer of ``rules``."""

    rules: tuple[RuleRow, ...]
    problems: tuple[RuleFault, ...]
    note: str | None = None
    """What the answer cannot say, and why."""

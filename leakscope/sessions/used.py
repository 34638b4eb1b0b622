"""What a snapshot keeps of the rules that found its sessions, so that it explains itself in any folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from leakscope.sessions.rules import Rule

_TEXTS = ("name", "category", "remedy", "link")


def as_facts(rules: Iterable[Rule]) -> list[dict[str, Any]]:
    """Rows for ``facts["rules"]``: what explains a session, not what found it."""
    return [
        {"name": rule.name, "category": rule.category, "part_of": list(rule.part_of), "remedy": rule.remedy,
         "link": rule.link}
        for rule in rules
    ]  # fmt: skip


def rules_in(facts: Mapping[str, Any]) -> dict[str, Rule]:
    """By name: the rules that ``as_facts`` wrote; rows of another shape, from another hand, are left out."""
    rows = facts.get("rules")
    return {row["name"]: _rule(row) for row in (rows if isinstance(rows, list) else []) if _is_row(row)}


def _is_row(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and all(isinstance(row.get(key), str) for key in _TEXTS)
        and isinstance(row.get("part_of"), list)
        and all(isinstance(glob, str) for glob in row["part_of"])
    )


def _rule(row: Mapping[str, Any]) -> Rule:
    return Rule(title="", source="", part_of=tuple(row["part_of"]), **{key: row[key] for key in _TEXTS})

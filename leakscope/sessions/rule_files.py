"""TOML tables -> rules. Every mistake is named; a rule with one is left out, the others stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from leakscope.sessions.conditions import parse_condition
from leakscope.sessions.pools import parse_sum
from leakscope.sessions.problems import RuleError, RuleProblem, nearest
from leakscope.sessions.rules import CATEGORIES, CLOCKS, RUNTIMES, UNITS, ZONES, Field, Lends, Rule
from leakscope.sessions.steps import parse_path

T = TypeVar("T")
KEYS: dict[str, str] = {
    "name": "name", "title": "title", "class": "classes", "except": "not_classes", "keys": "keys",
    "category": "category", "when": "when", "id": "id", "created": "created", "used": "used", "expires": "expires",
    "ttl": "ttl", "ttl_from": "ttl_from", "state": "state", "states": "states", "closed": "closed",
    "closing": "closing", "healthy": "healthy", "heartbeat": "heartbeat", "heartbeat_timeout": "heartbeat_timeout",
    "registry": "registry", "part_of": "part_of", "lends": "lends", "lent_by": "lent_by",
    "remedy": "remedy", "link": "link", "runtime": "runtime",
}  # fmt: skip
"""What may stand in a ``[[session]]`` table, and which field of ``Rule`` it is."""
ENABLED = "enabled"
TOP = ("session", "disable", "gate")
CONDITIONS = ("when", "closed", "closing", "healthy")
FIELDS = ("id", "created", "used", "expires", "ttl", "state", "heartbeat")
TIMES = ("created", "used", "expires", "heartbeat")
GLOBS = ("class", "except", "part_of")
LENDS = ("taken", "idle", "limit")
FIELD_KEYS = {"clock": CLOCKS, "unit": UNITS, "zone": ZONES}

_NAME = re.compile(r"[A-Za-z0-9][\w.:-]{0,63}", re.ASCII)
_GLOB = re.compile(r"(?:[\w.<>*?$-]|\[!?[^\[\]]+\])+")
_REGISTRY = re.compile(r"([\w.]+):(.+)")


@dataclass(frozen=True)
class RuleFile:
    """What one source says."""

    source: str
    rules: tuple[Rule, ...]
    problems: tuple[RuleProblem, ...] = ()
    disabled: tuple[str, ...] = ()
    """Names of rules that it switches off."""


def read_tables(document: Mapping[str, Any], source: str) -> RuleFile:
    """The rules of a TOML document, or of the table ``[tool.leakscope]``."""
    problems = [
        RuleProblem(source, "", f"unknown key {key!r}{nearest(key, TOP)}; there are {', '.join(TOP)}")
        for key in document
        if key not in TOP
    ]
    disabled = document.get("disable", [])
    if not _is_texts(disabled):
        problems.append(RuleProblem(source, "", "`disable` is a list of names of rules"))
        disabled = []
    tables = document.get("session", [])
    if not isinstance(tables, list):
        problems.append(RuleProblem(source, "", "`session` is a list of tables: write [[session]]"))
        tables = []
    return _read_list(tables, source, problems, list(disabled))


def _read_list(tables: list[Any], source: str, problems: list[RuleProblem], disabled: list[str]) -> RuleFile:
    rules: dict[str, Rule] = {}
    for number, table in enumerate(tables, start=1):
        if not isinstance(table, Mapping):
            problems.append(RuleProblem(source, f"#{number}", "a rule is a table: [[session]]"))
            continue
        name = table.get("name")
        shown = name if isinstance(name, str) and name else f"#{number}"
        if table.get(ENABLED) is False and isinstance(name, str):
            disabled.append(name)
            continue
        read = _Table(table, source, shown)
        rule = read.rule()
        if rule is not None and rule.name in rules:
            read.wrong("there is a rule of this name before it in the same place; the first counts")
        elif rule is not None:
            rules[rule.name] = rule
        problems += read.problems
    return RuleFile(source, tuple(rules.values()), tuple(problems), tuple(disabled))


class _Table:
    """One ``[[session]]``: reads key by key, and gathers what is wrong."""

    def __init__(self, table: Mapping[str, Any], source: str, shown: str) -> None:
        self._table = table
        self._source = source
        self._shown = shown
        self.problems: list[RuleProblem] = []

    def wrong(self, text: str) -> None:
        self.problems.append(RuleProblem(self._source, self._shown, text))

    def rule(self) -> Rule | None:
        """The rule, None if anything is wrong with it."""
        found: dict[str, Any] = {}
        for key, value in self._table.items():
            try:
                if key in KEYS:
                    found[KEYS[key]] = self._value(key, value)
                elif key != ENABLED or not isinstance(value, bool):
                    raise RuleError(f"unknown key{nearest(key, KEYS)}" if key != ENABLED else "true or false is meant")
            except RuleError as mistake:
                self.wrong(f"{key}: {mistake}")
        self._check_together(found)
        if self.problems:
            return None
        return Rule(**{"title": found["name"], **found, "source": self._source})

    def _check_together(self, found: Mapping[str, Any]) -> None:
        if "name" not in self._table:
            self.wrong("name is missing")
        if "class" not in self._table and "keys" not in self._table:
            self.wrong("class is missing: the globs of its classes, or keys: the keys of its dicts")
        if "class" in self._table and "keys" in self._table:
            self.wrong("class and keys exclude each other: make two rules")
        if "keys" in self._table and ("lends" in self._table or "lent_by" in self._table):
            self.wrong("lends and lent_by go with class: a pool is no dict")
        if "heartbeat" in found and "heartbeat_timeout" not in self._table:
            self.wrong("heartbeat_timeout is missing: after how many seconds of silence is the holder dead?")

    def _value(self, key: str, value: Any) -> Any:
        if key in FIELDS:
            return tuple(self._field(key, each) for each in _several(value))
        if key in CONDITIONS:
            parse_condition(_text(value), self._of_keys)
            return value
        if key in GLOBS:
            return tuple(_glob(each) for each in _several(value))
        return READERS[key](value)

    @property
    def _of_keys(self) -> bool:
        return "keys" in self._table

    def _field(self, key: str, value: Any) -> Field:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and key == "ttl":
            return Field(None, constant=_seconds(value))
        if not isinstance(value, Mapping):
            value = {"path": value}
        for part, said in value.items():
            allowed = FIELD_KEYS.get(part)
            if part != "path" and allowed is None:
                raise RuleError(f"unknown key {part!r}{nearest(part, ('path', *FIELD_KEYS))}")
            if allowed is not None and said not in allowed:
                near = nearest(said, allowed) if isinstance(said, str) else ""
                raise RuleError(f"{part} is one of {', '.join(allowed)}, not {said!r}{near}")
            if allowed is not None and key not in (("ttl", *TIMES) if part == "unit" else TIMES):
                raise RuleError(f"{part} says nothing about this field")
        path = _text(value.get("path"))
        parse_path(path, self._of_keys)
        return Field(path, **{part: said for part, said in value.items() if part != "path"})


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise RuleError(f"a text is meant, not {_shown(value)}")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise RuleError(f"a short name of letters, digits, '-', '_' and '.' is meant, not {_shown(value)}")
    return value


def _glob(value: Any) -> str:
    text = _text(value)
    if not _GLOB.fullmatch(text):
        raise RuleError(f"bad glob {text!r}: module.Class is meant, with * ? and closed [...] as wildcards")
    if not re.search(r"\w", re.sub(r"\[.*?\]", "", text)):
        raise RuleError(f"bad glob {text!r}: it matches every class")
    return text


def _keys(value: Any) -> tuple[str, ...]:
    if not _is_texts(value) or not value:
        raise RuleError(f"a list of keys is meant, not {_shown(value)}")
    return tuple(value)


def _states(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, Mapping) or not _is_texts(list(value.values())):
        raise RuleError('a table such as { 1 = "open", 3 = "closed" } is meant')
    return tuple((key, said) for key, said in value.items())


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e10:
        raise RuleError(f"a number of seconds above 0 is meant, not {_shown(value)}")
    return float(value)


def _registry(value: Any) -> str:
    found = _REGISTRY.fullmatch(_text(value))
    if found is None:
        raise RuleError(f"module:attribute.path is meant, not {_shown(value)}")
    parse_path(found[2])
    return str(value)


def _lends(value: Any) -> Lends:
    if not isinstance(value, Mapping) or "taken" not in value:
        raise RuleError("a table with `taken` is meant, such as { taken = '_size - _idle@len', limit = '_max' }")
    for part in value:
        if part not in LENDS:
            raise RuleError(f"unknown key {part!r}{nearest(part, LENDS)}; there are {', '.join(LENDS)}")
    sums = {part: tuple(_text(each) for each in _several(said)) for part, said in value.items()}
    for text in (text for texts in sums.values() for text in texts):
        parse_sum(text)
    return Lends(**sums)


def _lent_by(value: Any) -> str:
    if parse_path(_text(value)).number:
        raise RuleError("the path to a pool is meant, not a number")
    return str(value)


def _link(value: Any) -> str:
    if not re.match(r"https?://\S+$", _text(value)):
        raise RuleError(f"an address that begins with https:// is meant, not {_shown(value)}")
    return str(value)


def _one_of(choices: Iterable[str]) -> Callable[[Any], str]:
    allowed = tuple(choices)

    def read(value: Any) -> str:
        if value not in allowed:
            near = nearest(value, allowed) if isinstance(value, str) else ""
            raise RuleError(f"one of {', '.join(allowed)} is meant, not {_shown(value)}{near}")
        return str(value)

    return read


READERS: dict[str, Callable[[Any], Any]] = {
    "name": _name, "title": _text, "keys": _keys, "category": _one_of(CATEGORIES), "states": _states,
    "ttl_from": _one_of(("created", "used")), "heartbeat_timeout": _seconds, "registry": _registry,
    "runtime": _one_of(RUNTIMES), "lends": _lends, "lent_by": _lent_by, "remedy": _text, "link": _link,
}  # fmt: skip


def _several(value: Any) -> list[Any]:
    if isinstance(value, list):
        if not value:
            raise RuleError("an empty list says nothing")
        return value
    return [value]


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) and each for each in value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

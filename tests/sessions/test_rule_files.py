"""A rule with a mistake is named with what is wrong and left out; those beside it stand."""

from __future__ import annotations

from typing import Any

import pytest

from leakscope.sessions.rule_files import KEYS, read_tables
from leakscope.sessions.rules import Field, Lends, Rule

GOOD: dict[str, Any] = {"name": "good", "class": "app.Good"}


def problems(table: Any) -> list[str]:
    """What is said of one rule, which must not hold up the good one behind it."""
    read = read_tables({"session": [table, GOOD]}, "file.toml")
    assert [rule.name for rule in read.rules] == ["good"]
    assert all(problem.source == "file.toml" and problem.rule in ("bad", "#1") for problem in read.problems)
    return [problem.text for problem in read.problems]


def test_every_key_is_read() -> None:
    table = {
        "name": "all", "title": "All of it", "class": ["app.A", "app.*B"], "except": "app.C", "category": "connection",
        "runtime": "jvm",
        "when": "not missing(id)", "id": ["a['b'].c[0]()", "self.d"], "used": {"path": "u", "zone": "local"},
        "created": ["c", {"path": "_s@number", "clock": "monotonic", "unit": "ms"}], "expires": "e", "ttl": ["t", 1800],
        "ttl_from": "used", "state": "s", "states": {"1": "open"}, "closed": "_closed", "closing": "x is None",
        "healthy": "y", "heartbeat": "h", "heartbeat_timeout": 60, "registry": "app.reg:MAIN.by_id",
        "part_of": ["app.D"], "lends": {"taken": ["a - b@len", "c"], "limit": "d"}, "lent_by": "_pool",
        "remedy": "Close it.", "link": "https://docs.example.org/",
    }  # fmt: skip
    read = read_tables({"session": [table]}, "file.toml")
    assert read.problems == ()
    assert set(KEYS) - {"keys"} == set(table)
    assert read.rules == (
        Rule(
            name="all", title="All of it", source="file.toml", classes=("app.A", "app.*B"), not_classes=("app.C",),
            category="connection", runtime="jvm", when="not missing(id)", id=(Field("a['b'].c[0]()"), Field("self.d")),
            created=(Field("c"), Field("_s@number", clock="monotonic", unit="ms")), used=(Field("u", zone="local"),),
            expires=(Field("e"),), ttl=(Field("t"), Field(None, constant=1800.0)), ttl_from="used",
            state=(Field("s"),), states=(("1", "open"),), closed="_closed", closing="x is None", healthy="y",
            heartbeat=(Field("h"),), heartbeat_timeout=60.0, registry="app.reg:MAIN.by_id", part_of=("app.D",),
            lends=Lends(taken=("a - b@len", "c"), limit=("d",)), lent_by="_pool", remedy="Close it.", link="https://docs.example.org/",
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"clas": "app.B"}, "clas: unknown key (did you mean 'class'?)"),
        ({"zzzz": 1}, "zzzz: unknown key"),
        ({"class": "app.[B"}, "class: bad glob 'app.[B'"),
        ({"class": "app B"}, "class: bad glob 'app B'"),
        ({"class": "*"}, "class: bad glob '*': it matches every class"),
        ({"class": ""}, "class: a text is meant"),
        ({"class": 3}, "class: a text is meant, not 3"),
        ({"class": []}, "class: an empty list"),
        ({"except": "a..[]"}, "except: bad glob"),
        ({"id": "a..b"}, "id: 'a..b' is no path"),
        ({"id": "a b"}, "id: 'a b' is no path"),
        ({"id": "f(x)"}, "id: 'f(x)' is no path"),
        ({"id": "a@"}, "id: 'a@' is no path"),
        ({"id": "x" * 2000}, "id: a path of 2000 characters is too long"),
        ({"id": 5}, "id: a text is meant, not 5"),
        ({"id": {"clock": "epoch", "path": "a"}}, "id: clock says nothing about this field"),
        ({"created": {"clock": "monotonic"}}, "created: a text is meant, not None"),
        ({"created": {"path": "a", "clok": "epoch"}}, "created: unknown key 'clok' (did you mean 'clock'?)"),
        ({"created": {"path": "a", "clock": "monotonc"}}, "(did you mean 'monotonic'?)"),
        ({"created": {"path": "a", "unit": ["s"]}}, "created: unit is one of auto, s, ms, us, ns, not ['s']"),
        ({"used": {"path": "a", "zone": "mars"}}, "used: zone is one of auto, utc, local, not 'mars'"),
        ({"ttl": -5}, "ttl: a number of seconds above 0"),
        ({"ttl": float("nan")}, "ttl: a number of seconds above 0"),
        ({"ttl": True}, "ttl: a text is meant, not True"),
        ({"ttl_from": "birth"}, "ttl_from: one of created, used"),
        ({"state": "s", "states": {"1": 2}}, "states: a table such as"),
        ({"closed": "_closed ="}, "closed: '_closed =' is no condition"),
        ({"closed": True}, "closed: a text is meant, not True"),
        ({"healthy": "open('/etc/passwd').read()"}, "is no path: names, .name"),
        ({"when": "a if b else c"}, "when: 'a if b else c' is no path"),
        ({"category": "sessions"}, "(did you mean 'session'?)"),
        ({"category": ["session"]}, "category: one of session,"),
        ({"heartbeat": "beat"}, "heartbeat_timeout is missing"),
        ({"heartbeat": "beat", "heartbeat_timeout": "1m"}, "heartbeat_timeout: a number of seconds above 0"),
        ({"registry": "app.REGISTRY"}, "registry: module:attribute.path is meant"),
        ({"registry": "app:a..b"}, "registry: 'a..b' is no path"),
        ({"lends": "a"}, "lends: a table with `taken` is meant"),
        ({"lends": {"idle": "a"}}, "lends: a table with `taken` is meant"),
        ({"lends": {"taken": "a", "limt": "b"}}, "lends: unknown key 'limt' (did you mean 'limit'?)"),
        ({"lends": {"taken": "a - "}}, "lends: 'a -' is no path"),
        ({"lends": {"taken": "a - b(c)"}}, "lends: 'b(c)' is no path"),
        ({"lends": {"taken": 7}}, "lends: a text is meant, not 7"),
        ({"lent_by": "_pool@len"}, "lent_by: the path to a pool is meant"),
        ({"keys": ["a"], "lent_by": "_pool"}, "lends and lent_by go with class"),
        ({"link": "javascript:alert(1)"}, "link: an address that begins with https://"),
        ({"keys": ["a"]}, "class and keys exclude each other"),
        ({"keys": "a"}, "keys: a list of keys"),
        ({"enabled": "no"}, "enabled: true or false"),
        ({"title": 7}, "title: a text is meant, not 7"),
    ],
)
def test_a_mistake_is_named(change: dict[str, Any], says: str) -> None:
    told = problems({"name": "bad", "class": "app.Bad", **change})
    assert any(says in text for text in told), told


def test_several_mistakes_are_all_named() -> None:
    assert len(problems({"name": "bad", "clas": "x.Y", "id": 3, "closed": "("})) == 4


def test_a_rule_needs_a_name_and_a_class() -> None:
    assert problems({"class": "app.X"}) == ["name is missing"]
    assert problems({"name": "bad"}) == ["class is missing: the globs of its classes, or keys: the keys of its dicts"]
    assert "a short name" in read_tables({"session": [{**GOOD, "name": "two words"}]}, "file.toml").problems[0].text
    assert problems("app.X") == ["a rule is a table: [[session]]"]


def test_the_second_of_a_name_is_left_out() -> None:
    read = read_tables({"session": [GOOD, {**GOOD, "class": "app.Other"}]}, "file.toml")
    assert [rule.classes for rule in read.rules] == [("app.Good",)]
    assert "the first counts" in read.problems[0].text


def test_what_stands_around_rules_is_checked_too() -> None:
    read = read_tables({"sessions": [], "disable": "thread", "session": {"name": "x"}}, "file.toml")
    assert [problem.text.partition(";")[0] for problem in read.problems] == [
        "unknown key 'sessions' (did you mean 'session'?)",
        "`disable` is a list of names of rules",
        "`session` is a list of tables: write [[session]]",
    ]
    assert read_tables({"disable": ["a"], "session": [{"name": "b", "enabled": False}]}, "f").disabled == ("a", "b")

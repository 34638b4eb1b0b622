"""What rules find in a heap: which objects, and what of each; hostile heaps too."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from leakscope.graph.kinds import Fact, Node, Ref
from leakscope.sessions.guess import GUESS
from leakscope.sessions.load import RuleSet
from tests.heaps import Thing
from tests.sessions.worth import NOW, STARTED, Worth, mask_of, rule, rules

HOSTILE = "app.\x1b[2J\x00Session\ud800"


def found(heap: Worth, **keys: Any) -> list[Thing]:
    """Which objects the rule with these keys claims."""
    return list(heap.read(rule(**keys)))


def test_classes_are_matched_with_their_subclasses_and_without_exceptions() -> None:
    heap = Worth()
    heap.cls("app.Session")
    heap.cls("app.Child", base="app.Session")
    heap.cls("app.Grandchild", base="app.Child")
    heap.cls("app.Pooled", base="app.Child")
    things = [heap.object(name) for name in ("app.Session", "app.Child", "app.Grandchild", "app.Pooled", "app.Other")]
    assert found(heap) == things[:4]
    assert found(heap, except_="app.Pooled") == things[:3]
    assert found(heap, except_=["app.Chi*"]) == things[:1]
    assert found(heap, class_=["app.Grand*", "app.Oth[a-f]r"]) == [things[2], things[4]]
    assert found(heap, class_="Session") == []


def test_a_second_base_counts_too() -> None:
    """``class Basket(Mixin, Session)``: ``__base__`` is the mixin."""
    heap = Worth()
    mixin, session = heap.cls("app.Mixin"), heap.cls("app.Session", closed=heap.of(True))
    basket = heap.cls("app.Basket", base="app.Mixin")
    basket.hold(Ref.ATTR, heap.list(basket, mixin, session, heap.cls("object"), type="tuple"), "__mro__")
    thing = heap.object("app.Basket")
    assert heap.read(rule(closed="closed"))[thing].state == "closed"


def test_classes_frames_and_metaclass_instances_are_no_sessions() -> None:
    heap = Worth()
    heap.cls("app.Meta", base="type")
    heap.raw("app.Session", flags=Node.CLASS)
    heap.raw("app.Session", flags=Node.FRAME)
    session = heap.object("app.Session", state=heap.raw("app.Meta", flags=Node.CLASS), made=heap.cls("app.Session"))
    told = heap.read(rule(state="state", created="made", id="state", used="made", closed="made == 'x'"))
    assert list(told) == [session]
    assert (told[session].state, told[session].created, told[session].id) == ("open", None, None)


def test_garbage_is_read_like_everything_else() -> None:
    heap = Worth()
    thing = heap.raw("app.Session", flags=Node.GARBAGE)
    assert found(heap) == [thing]


def test_dicts_of_a_shape_are_sessions() -> None:
    heap = Worth()
    full = {name: heap.key(name) for name in ("sid", "made", "user")}
    session = heap.dict({full["sid"]: heap.of("s1"), full["made"]: heap.of(NOW - 5), full["user"]: heap.of(1)})
    heap.dict({full["sid"]: heap.of("s2")})
    heap.object("app.Thing", sid=heap.of("s3"), made=heap.of(NOW))
    told = heap.read(
        rules({"name": "dicts", "keys": ["sid", "made"], "id": "sid", "created": "self['made']", "closed": "user == 1"})
    )
    assert list(told) == [session]
    assert (told[session].id, told[session].created, told[session].state) == (mask_of("s1"), NOW - 5, "closed")


def test_the_first_rule_that_claims_an_object_wins() -> None:
    heap = Worth()
    heap.cls("app.Session")
    heap.cls("app.Child", base="app.Session")
    child, parent = heap.object("app.Child"), heap.object("app.Session")
    told = heap.read(rules({"name": "child", "class": "app.Child"}, {"name": "all", "class": "app.*"}))
    assert (told[child].rule, told[parent].rule) == ("child", "all")
    first, second = heap.uses
    assert (first.claimed, second.claimed, second.taken) == ({"app.Child": 1}, {"app.Session": 1}, {"child": 1})


def test_what_when_refuses_is_left_to_later_rules_but_not_to_the_guess() -> None:
    heap = Worth()
    yes, no = (heap.object("app.Session", real=heap.of(real)) for real in (True, False))
    first = {"name": "first", "class": "app.Session", "when": "real"}
    ruleset = RuleSet((*rules(first).rules, GUESS))
    assert list(heap.read(ruleset)) == [yes]
    assert heap.uses[0].refused == 1
    told = heap.read(rules(first, {"name": "second", "class": "app.*"}))
    assert (told[yes].rule, told[no].rule) == ("first", "second")


def test_what_a_rule_excepts_is_not_guessed() -> None:
    heap = Worth()
    heap.cls("app.Session")
    pooled, other = heap.cls("app.PooledSession", base="app.Session"), heap.object("lib.WebSession")
    heap.object("app.PooledSession")
    assert pooled
    told = heap.read(RuleSet((*rule(except_="app.Pooled*").rules, GUESS)))
    assert list(told) == [other]
    assert (told[other].rule, told[other].facts) == ("guess", Fact.GUESSED)


def test_the_guess_reads_the_usual_fields_and_no_exception() -> None:
    heap = Worth()
    heap.cls("app.ConnectionError", base="BaseException")
    heap.object("app.ConnectionError")
    heap.cls("app.LostConnection", base="app.ConnectionError")
    heap.object("app.LostConnection")
    session = heap.object(
        "app.ChatSession", _created_at=heap.of(NOW - 9), last_seen=heap.of(NOW - 3), sid=heap.of("s1"),
        token=heap.of("secret"), timeout=heap.of(5), expires_at=heap.of(NOW + 60), status=heap.of("CLOSED"),
    )  # fmt: skip
    (told,) = heap.read(RuleSet((GUESS,))).values()
    assert (told.created, told.used, told.expires) == (NOW - 9, NOW - 3, NOW + 60)
    assert (told.created_from, told.id, told.ttl, told.state) == ("_created_at", mask_of("s1"), None, "closed")
    assert told.facts == Fact.GUESSED | Fact.CLOSED
    assert session in heap.read(RuleSet((GUESS,)))


def test_the_first_field_that_holds_a_value_counts() -> None:
    heap = Worth()
    things = [
        heap.object("app.Session", a=heap.of(None), b=heap.of(NOW - 1), id=heap.of(b"raw")),
        heap.object("app.Session", b=heap.of("soon"), c=heap.of(NOW - 2), name=heap.of(17)),
        heap.object("app.Session", a=heap.of(NOW - 3), b=heap.of(NOW - 4)),
        heap.object("app.Session"),
    ]
    told = heap.read(rule(created=["a", "b", "c"], id=["id", "name"], used="nowhere.at.all"))
    assert [told[t].created for t in things] == [NOW - 1, NOW - 2, NOW - 3, None]
    assert [told[t].created_from for t in things] == ["b", "c", "a", None]
    assert [told[t].id for t in things] == [mask_of("raw"), mask_of("17"), None, None]
    assert heap.uses[0].unread == ("used",)


def test_ids_are_masked_unless_they_are_revealed() -> None:
    heap = Worth()
    number = uuid.UUID(int=1 << 100)
    ids = ["s-1", 7, b"raw", heap.object("uuid.UUID", inline=True, int=heap.of(number.int)), "x" * 10_000_000, None]
    things = [
        heap.object("app.Session", id=each if isinstance(each, Thing) else heap.of(each), secret=heap.of("hush"))
        for each in ids
    ]
    told = heap.read(rule(id="id"))
    masks = [mask_of("s-1"), mask_of("7"), mask_of("raw"), mask_of(str(1 << 100)), None, None]
    assert [told[thing].id for thing in things] == masks
    assert {told[thing].id_text for thing in things} == {None}
    assert not any(each in heap.graph().names for each in ("s-1", "7", "hush"))
    revealed = heap.read(rule(id="id"), reveal=True)
    assert [revealed[thing].id_text for thing in things[:3]] == ["s-1", "7", None]
    assert revealed[things[4]].id_text == "x" * 200


def test_time_to_live_ends_after_creation_or_last_use() -> None:
    heap = Worth()
    used = heap.object("app.Session", made=heap.of(NOW - 50), used=heap.of(NOW - 10), ttl=heap.of(30))
    fresh = heap.object("app.Session", made=heap.of(NOW - 50), used=heap.of(0), ttl=heap.of(-1))
    told = heap.read(rule(created="made", used="used", ttl=["ttl", 60], ttl_from="used"))
    assert (told[used].ttl, told[used].expires) == (30, NOW + 20)
    assert (told[fresh].ttl, told[fresh].expires, told[fresh].used) == (60, NOW + 10, None)
    assert told[fresh].facts == Fact(0)
    told = heap.read(rule(created="made", used="used", ttl=["nowhere", 60, "ttl"], expires="nowhere"))
    assert (told[used].ttl, told[used].expires) == (60, NOW + 10)
    assert heap.uses[0].unread == ("expires",)


@pytest.mark.parametrize(
    ("expires", "says", "facts"),
    [(NOW + 86400, NOW + 86400, 0), (NOW - 5, NOW - 5, 0), (0, None, 0), (float("inf"), None, 0), (None, None, 0),
     (1e300, None, Fact.EXPIRES_IMPLAUSIBLE), (float("nan"), None, Fact.EXPIRES_IMPLAUSIBLE)],
)  # fmt: skip
def test_the_end_may_lie_ahead(expires: float | None, says: float | None, facts: int) -> None:
    heap = Worth()
    session = heap.object("app.Session", end=heap.of(expires))
    told = heap.read(rule(expires="end"))[session]
    assert (told.expires, told.facts) == (says, Fact(facts))


@pytest.mark.parametrize(
    ("value", "shown"),
    [("OPEN", "open"), ("Closed", "closed"), (True, "true"), (3, "three"), (3.0, "three"), (4, "4"), (40_000, None),
     ("in_use", "in_use"), ("hush-hush", f"#{mask_of('hush-hush'):012x}"), ("L", "leased"), (None, None), (b"x", None),
     (float("nan"), None)],
    ids=repr,
)  # fmt: skip
def test_a_state_is_a_known_word_or_masked(value: Any, shown: str | None) -> None:
    heap = Worth()
    session = heap.object("app.Session", state=heap.of(value))
    assert heap.read(rule(state="state", states={"3": "three", "L": "leased"}))[session].state == shown


def test_a_member_of_an_enum_is_called_by_its_name() -> None:
    heap = Worth()
    things = [
        heap.object("app.Session", state=heap.enum(*each)) for each in (("HALF_OPEN", 1), ("SHUT", 3), ("S", "x"))
    ]
    secret = heap.object("app.Session", state=heap.enum("ann@example.org", "hush"))
    told = heap.read(rule(state="state", states={"3": "closed", "S": "sleeping"}))
    assert [told[thing].state for thing in (*things, secret)] == ["half_open", "closed", "sleeping", None]
    assert [told[thing].facts for thing in things] == [Fact(0), Fact.CLOSED, Fact(0)]


def test_conditions_say_the_state_where_no_field_does() -> None:
    heap = Worth()
    things = [
        heap.object("app.Session", done=heap.of(done), ending=heap.of(ending), state=heap.of(state))
        for done, ending, state in (
            (0, 0, None),
            (0, 1, None),
            (1, 1, None),
            (0, 0, "idle"),
            (0, 1, "idle"),
            (1, 0, "idle"),
        )
    ]
    told = heap.read(rule(closed="done", closing="ending", healthy="state == 'idle'", state="state"))
    assert [told[thing].state for thing in things] == ["open", "closing", "closed", "idle", "idle", "closed"]
    assert [told[thing].facts & (Fact.CLOSED | Fact.CLOSING) for thing in things] == [
        Fact(0), Fact.CLOSING, Fact.CLOSED, Fact(0), Fact.CLOSING, Fact.CLOSED,
    ]  # fmt: skip
    assert [bool(told[thing].facts & Fact.HEALTHY) for thing in things] == [False] * 3 + [True] * 3


def test_a_silent_holder_is_dead() -> None:
    heap = Worth()
    beating, silent, unknown = (
        heap.object("app.Session", **({"worker": heap.object("app.Worker", beat=heap.of(beat))} if beat else {}))
        for beat in (NOW - 5, NOW - 100, None)
    )
    told = heap.read(rule(heartbeat="worker.beat", heartbeat_timeout=60))
    assert [told[t].facts for t in (beating, silent, unknown)] == [Fact(0), Fact.HOLDER_DEAD, Fact(0)]


@pytest.mark.parametrize("form", ["dict", "set", "list", "records", "tuples", "weak dict", "attribute"])
def test_what_its_registry_no_longer_has_is_unregistered(form: str) -> None:
    heap = Worth()
    here, lost = heap.object("app.Session"), heap.object("app.Session")
    here.hold(Ref.ATTR, lost, "friend")
    containers = {
        "dict": lambda: heap.dict({heap.key("a"): here}),
        "set": lambda: heap.set(here),
        "list": lambda: heap.list(here),
        "records": lambda: heap.list(heap.object("app.Record", session=here)),
        "tuples": lambda: heap.dict({heap.key("a"): heap.list(here, heap.of(1), type="tuple")}),
        "weak dict": lambda: heap.object(
            "weakref.WeakValueDictionary", data=heap.dict({heap.key("a"): heap.weak(here)})
        ),
        "attribute": lambda: heap.object("app.Registry", one=here),
    }
    heap.module("app.reg", MAIN=heap.object("app.Main", sessions=containers[form]()), LOST=heap.list(lost))
    told = heap.read(rule(registry="app.reg:MAIN.sessions"))
    assert (told[here].facts, told[lost].facts) == (Fact(0), Fact.UNREGISTERED)
    for nowhere in ("app.reg:MAIN.gone", "app.gone:MAIN"):
        assert heap.read(rule(registry=nowhere))[lost].facts == Fact(0)
        assert heap.uses[0].unread == ("registry",)


def test_hostile_heaps_do_no_harm() -> None:
    heap = Worth()
    heap.cls(HOSTILE, base="app.Session")
    session = heap.object(HOSTILE)
    for name in ("state", "made", "id", "self", "_name_"):
        session.hold(Ref.ATTR, session, name)
    loop = heap.weak(None)
    loop.hold(Ref.WEAK, loop)
    session.hold(Ref.ATTR, loop, "ref")
    heap.object("app.Session", state=heap.enum("x", 1))
    heap.cls("app.Evil", base="enum.Enum")
    evil = heap.object("app.Evil")
    evil.hold(Ref.ATTR, evil, "_name_").hold(Ref.ATTR, evil, "_value_")
    odd = heap.object("app.Session", state=evil)
    told = heap.read(
        rule(state="state.state.state", created="made.made", id="id", used="ref()()()", expires="ref.__callback__",
             closed="state == 'x' or alive(ref) and state > 1", ttl="self.state", when="type(self) != 'x' or state")
    )  # fmt: skip
    assert (told[session].state, told[session].created, told[session].id) == ("open", None, None)
    assert heap.read(rule(state="state", closed="state == 3"))[odd].state == "open"


def test_no_rule_and_no_object_is_an_empty_table() -> None:
    assert Worth().read(RuleSet(())) == {}
    heap = Worth()
    heap.object("app.Other")
    assert heap.read(rule(created="a", id="b", closed="c")) == {}
    assert [(use.count, use.unread) for use in heap.uses] == [(0, ())]


def test_a_time_before_the_process_began_is_no_age() -> None:
    heap = Worth()
    session = heap.object("app.Session", made=heap.of(STARTED - 10), used=heap.of(1e300))
    told = heap.read(rule(created="made", used="used"))[session]
    assert (told.created, told.used) == (None, None)
    assert told.facts == Fact.CREATED_IMPLAUSIBLE | Fact.USED_IMPLAUSIBLE

"""Observations against a policy and a baseline: what fails, what is known, what is fixed, what has expired."""

from __future__ import annotations

import datetime

import pytest

from leakscope.findings.gate import KnownLeak, Observation, Verdict
from leakscope.gate.baseline import updated
from leakscope.gate.judge import judge, violations
from leakscope.gate.policy import Policy

TODAY = datetime.date(2026, 11, 21)
GROWTH = Observation(
    "growth", 10.0, "objects", "app.Session", "0123456789ab", "app.SESSIONS[0] -> app.Session", "app.SESSIONS"
)
KNOWN = KnownLeak("growth", "0123456789ab", "app.Session", "app.SESSIONS[0]", 10.0, "ticket 7")


def verdict(observation: Observation, *known: KnownLeak, policy: Policy | None = None) -> Verdict:
    return judge(violations([observation], policy or Policy()), known, TODAY)


def test_growth_fails_with_the_holder_in_the_message() -> None:
    found = verdict(GROWTH)
    assert not found.passed
    (leak,) = found.violations
    assert found.new == (leak,)
    assert leak.message == "app.Session grows by 10 per round, held by app.SESSIONS"
    assert (leak.limit, leak.found, leak.fingerprint) == (0.0, 10.0, "0123456789ab")


def test_what_is_allowed_is_no_violation() -> None:
    assert verdict(GROWTH, policy=Policy(growth=10.0)).passed
    assert verdict(GROWTH, policy=Policy(growth=None)).passed
    assert not verdict(GROWTH, policy=Policy(growth=9.5)).passed


WRONG = ("expected-gone", "closing-hung", "holder-dead", "unregistered")
"""What a session says itself; ``closed-retained`` has its own lines."""


@pytest.mark.parametrize(
    ("observation", "policy", "limit"),
    [
        (Observation("sessions", 5, "sessions", "app.Session"), Policy(sessions={"app.*": 4}), 4),
        (Observation("sessions", 5, "sessions", "lib.Session"), Policy(sessions={"app.*": 4}), None),
        (Observation("sessions", 5, "sessions", "app.A"), Policy(sessions={"app.A": 9, "app.*": 1}), None),
        (Observation("retained", 2048, "bytes", "app.Cache"), Policy(retained={"app.Cache": 1024}), 1024),
        (Observation("container", 7, "entries", "dict", holder="app.D"), Policy(containers={"app.*": 6}), 6),
        (Observation("container", 7, "entries", "dict", holder=None), Policy(containers={"*": 6}), None),
        (Observation("age", 61.0, "s", "app.Session"), Policy(age=60.0), 60),
        (Observation("age", 61.0, "s", "app.Session"), Policy(), None),
        (Observation("idle", 61.0, "s", "app.Session"), Policy(idle=60.0), 60),
        (Observation("overdue", 1, "sessions", "app.Session"), Policy(overdue=0), 0),
        (Observation("closed-retained", 1, "sessions", "app.Session"), Policy(), 0),
        (Observation("closed-retained", 1, "sessions", "app.Session"), Policy(closed_retained=None), None),
        (Observation("closed-retained", 1, "sessions", "app.Session", exact=False), Policy(), None),
        (Observation("closed-retained", 1, "sessions", "app.Session", exact=False), Policy(guessed=True), 0),
        *((Observation(rule, 1, "sessions", "app.Session"), Policy(), 0) for rule in WRONG),
        (Observation("holder-dead", 3, "sessions", "app.Session"), Policy(holder_dead=2), 2),
        (Observation("unregistered", 1, "sessions", "app.Session", exact=False), Policy(), None),
        (Observation("descriptors", 2.0, "descriptors"), Policy(descriptors=1.0), 1),
        (Observation("descriptors", 2.0, "descriptors"), Policy(), None),
        (Observation("threads", 2.0, "threads"), Policy(threads=0.0), 0),
    ],
)
def test_each_rule_has_its_limit(observation: Observation, policy: Policy, limit: float | None) -> None:
    found = violations([observation], policy)
    assert [leak.limit for leak in found] == ([] if limit is None else [limit])
    for leak in found:
        assert leak.message
        assert (observation.holder or observation.class_ or observation.rule) in leak.message


def test_a_known_leak_passes_with_its_reason() -> None:
    found = verdict(GROWTH, KNOWN)
    assert found.passed
    assert [leak.reason for leak in found.known] == ["ticket 7"]
    assert (found.new, found.fixed) == ((), ())


def test_a_known_leak_that_grew_fails_but_is_not_new() -> None:
    found = verdict(Observation(**{**GROWTH.__dict__, "found": 11.0}), KNOWN)
    assert not found.passed
    assert (found.new, found.known) == ((), ())
    assert (found.violations[0].limit, found.violations[0].reason) == (10.0, "ticket 7")


@pytest.mark.parametrize(("day", "passed"), [("2026-11-20", False), ("2026-11-21", True), ("2027-01-01", True)])
def test_leave_ends_after_its_last_day(day: str, passed: bool) -> None:
    found = verdict(GROWTH, KnownLeak(**{**KNOWN.__dict__, "expires": day}))
    assert found.passed is passed
    assert [leak.expired for leak in found.violations] == ([] if passed else [day])
    assert found.new == ()


def test_an_entry_that_was_not_seen_is_fixed() -> None:
    other = KnownLeak("growth", "ffffffffffff", "app.Other", None, 1.0, "old")
    found = verdict(GROWTH, KNOWN, other)
    assert (found.passed, found.fixed) == (True, (other,))


def test_the_same_leak_under_another_rule_is_another_entry() -> None:
    closed = Observation("closed-retained", 3, "sessions", "app.Session", "0123456789ab")
    assert not verdict(closed, KNOWN).passed


def test_updating_keeps_reasons_and_drops_what_is_gone() -> None:
    gone = KnownLeak("growth", "ffffffffffff", "app.Other", None, 1.0, "old")
    more = Observation(**{**GROWTH.__dict__, "found": 12.0})
    new = Observation("sessions", 5, "sessions", "app.Session")
    seen = violations([more, new], Policy(sessions={"*": 1}))
    entries = updated([KnownLeak(**{**KNOWN.__dict__, "expires": "2027-01-01"}), gone], seen)
    assert [(entry.rule, entry.allowed, entry.expires) for entry in entries] == [
        ("growth", 12.0, "2027-01-01"),
        ("sessions", 5, None),
    ]
    assert entries[0].reason == "ticket 7"
    assert judge(seen, entries, TODAY).passed

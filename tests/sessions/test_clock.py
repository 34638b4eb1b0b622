"""Moments: one plausible reading is the answer; none, or two that differ, are told as such and give no age."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.graph.kinds import Fact
from leakscope.graph.values import Value, Values
from leakscope.sessions.clock import Clock
from leakscope.sessions.iso import LONGEST, iso_time, with_texts_read
from leakscope.sessions.rules import CLOCKS, UNITS, Field
from tests.sessions.worth import MONOTONIC, NOW, STARTED, FakeValues, Session, Worth, rule

MOMENT = NOW - 600.0
BAD = Fact.CREATED_IMPLAUSIBLE
UNCLEAR = Fact.CREATED_AMBIGUOUS


def created(value: Any, field: Any = "made", **facts: Any) -> Session:
    heap = Worth(**facts)
    session = heap.object("app.Session", made=heap.of(value))
    return heap.read(rule(created=field))[session]


def utc(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, timezone.utc)


@pytest.mark.parametrize(
    "value",
    [
        MOMENT,
        int(MOMENT),
        int(MOMENT * 1e3),
        int(MOMENT * 1e6),
        int(MOMENT * 1e9),
        MONOTONIC - 600.0,
        utc(MOMENT),
        utc(MOMENT).astimezone(timezone(timedelta(hours=-5))),
        utc(MOMENT).replace(tzinfo=None),
        utc(MOMENT).isoformat(),
        utc(MOMENT).replace(tzinfo=None).isoformat(sep=" "),
        utc(MOMENT).strftime("%Y%m%dT%H%M%SZ"),
    ],
    ids=repr,
)
def test_a_moment_is_read_however_it_is_kept(value: Any) -> None:
    found = created(value)
    assert found.created == pytest.approx(MOMENT, abs=0.001)
    assert (found.created_from, found.facts) == ("made", Fact(0))


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, 1e300, -1e300, -5.0, 0, STARTED - 2, NOW + 2, STARTED * 1e3 - 2e3, 10**400, 42,
     utc(STARTED - 2), utc(NOW + 2)],
    ids=repr,
)  # fmt: skip
def test_what_cannot_be_is_flagged_and_no_age(value: Any) -> None:
    found = created(float("inf") if isinstance(value, int) and value > 10**300 else value)
    assert (found.created, found.facts) == (None, BAD)


@pytest.mark.parametrize(
    "value", [None, True, b"2023", "yesterday", "x" * 10_000_000, timedelta(5), "2023-99-99T00:00"]
)
def test_what_is_no_moment_says_nothing(value: Any) -> None:
    found = created(value)
    assert (found.created, found.created_from, found.facts) == (None, None, Fact(0))


@pytest.mark.parametrize(
    ("field", "value", "offset", "moment", "facts"),
    [
        ({"path": "made", "zone": "utc"}, MOMENT, 7200.0, MOMENT, 0),
        ({"path": "made", "zone": "local"}, MOMENT + 7200, 7200.0, MOMENT, 0),
        ("made", MOMENT + 7200, 7200.0, MOMENT, 0),  # as UTC it were in the future
        ("made", MOMENT, 7200.0, MOMENT, 0),  # as local time it were before the start
        ("made", MOMENT, 900.0, None, UNCLEAR),  # both are possible
        ("made", MOMENT, None, None, UNCLEAR),
        ({"path": "made", "zone": "local"}, MOMENT, None, None, UNCLEAR),
        ({"path": "made", "zone": "utc"}, MOMENT, None, MOMENT, 0),
        ("made", MOMENT - 7200, 7200.0, None, BAD),
    ],
)
def test_a_naive_datetime_is_local_or_utc(
    field: Any, value: float, offset: float | None, moment: float | None, facts: int
) -> None:
    found = created(utc(value).replace(tzinfo=None), field, utc_offset_s=offset)
    assert (found.created, found.facts) == (moment, Fact(facts))


def test_clock_and_unit_are_taken_at_their_word() -> None:
    ago = 600.0
    assert created(int((MONOTONIC - ago) * 1e3), {"path": "made", "clock": "monotonic", "unit": "ms"}).created == MOMENT
    assert created(MONOTONIC - ago, {"path": "made", "clock": "loop"}).created == MOMENT
    assert created(int((MONOTONIC - ago) * 1e9), {"path": "made", "clock": "perf"}).created == MOMENT
    assert created(MOMENT, {"path": "made", "clock": "monotonic"}).facts == BAD
    assert created(MOMENT, {"path": "made", "unit": "ms"}).facts == BAD
    assert created(MONOTONIC - ago, {"path": "made", "clock": "epoch"}).facts == BAD
    assert created(MONOTONIC - ago, monotonic_at=None).facts == BAD


def test_a_number_with_two_meanings_is_ambiguous() -> None:
    """Up for so long that the monotonic clock in seconds looks like the time of day."""
    assert created(MOMENT, monotonic_at=NOW - 100.0).facts == UNCLEAR


def test_without_the_time_of_the_capture_nothing_is_believed() -> None:
    assert created(MOMENT, captured_at=None).facts == BAD
    facts = {"captured_at": "now", "started_at": math.nan, "monotonic_at": True, "utc_offset_s": 10**400}
    assert Clock.of(facts) == Clock(None, None, None, None)


@given(st.floats(width=64), st.sampled_from(CLOCKS), st.sampled_from(UNITS))
def test_no_number_becomes_a_moment_outside_the_life_of_the_process(number: float, clock: str, unit: str) -> None:
    values = Values(np.array([Value.FLOAT], np.uint8), np.array([number]))
    found = Clock(NOW, STARTED, MONOTONIC, 0.0).times(values, Field("made", clock=clock, unit=unit))
    (epoch,) = found.epoch.tolist()
    assert math.isnan(epoch) == (found.implausible[0] or found.ambiguous[0])
    assert math.isnan(epoch) or STARTED - 1 <= epoch <= NOW + 1


@given(st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29)), st.integers(-1439, 1439))
def test_every_iso_text_of_python_is_read(moment: datetime, minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    aware = moment.replace(tzinfo=zone)
    for separator in "T ":
        kind, seconds = iso_time(aware.isoformat(sep=separator))
        assert (kind, seconds) == (Value.AWARE, pytest.approx(aware.timestamp(), abs=1e-4))
        kind, seconds = iso_time(moment.isoformat(sep=separator))
        assert (kind, seconds) == (
            Value.NAIVE,
            pytest.approx(moment.replace(tzinfo=timezone.utc).timestamp(), abs=1e-4),
        )
    assert iso_time(f"{moment.isoformat()}Z")[0] == Value.AWARE


ODD = (
    "2023-02-30T00:00:00", "2023-11-14T24:00:00", "2023-11-14T22:60:00", "0000-01-01T00:00:00", "2023-13-01T00:00:00",
    "2023-11-14T22:13:20.", "2023-11-14T22:13:20.1234567890", "2023-11-14T22:13:20+1:00", "2023-11-14T22:13:20ZZ",
    "2023-11-14T22:13:20+01:00:30", "2023-11-14T22:13:20+0100", "2023-11-14T22:13", "20231114T221320Z",
    "2023-11-14 22:13:20 UTC", "2023-11-14T22:13:20,5Z", "2023-11-14t22:13:20z", "2023-11-14T22:13:20-01:00",
    "2023-11-14T22:13:20.123456789Z", "1234-some-token T with blanks", "2023-11-14T22:13:20\u00e9", "x" * 30,
)  # fmt: skip


@given(
    st.lists(
        st.one_of(
            st.sampled_from(ODD),
            st.datetimes().map(datetime.isoformat),
            st.datetimes(timezones=st.just(timezone(timedelta(hours=5, minutes=30)))).map(datetime.isoformat),
            st.text("0123456789-:T Z+.", min_size=16, max_size=42),
        ),
        min_size=1,
    )
)
def test_a_column_of_texts_is_read_as_each_alone(texts: list[str]) -> None:
    heap = Worth()
    things = [heap.of(text) for text in texts]
    graph = heap.graph()
    source, nodes = FakeValues(graph, heap), graph.nodes(things)
    found = with_texts_read(nodes, source.values(nodes), source)
    alone = [iso_time(text) if len(text) <= LONGEST else (Value.TEXT, float(len(text))) for text in texts]
    assert found.kind.tolist() == [kind for kind, _ in alone]
    assert found.number.tolist() == pytest.approx([number for _, number in alone], abs=1e-4)

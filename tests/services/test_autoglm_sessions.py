"""The parts of the conversation server by themselves: states, counts, tiers, tokens, and their properties."""

from __future__ import annotations

import asyncio
import gc
import itertools
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fixtures.services.autoglm.bucket import TokenBucket
from fixtures.services.autoglm.bus import Bus
from fixtures.services.autoglm.context import Context, DeviceCache, Tier, TimeToLive, similarity
from fixtures.services.autoglm.references import References
from fixtures.services.autoglm.sessions import Event, IllegalEventError, Session, State, User

TTL = TimeToLive(hot_s=100.0, cold_s=10.0)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def new_session(clock: Clock | None = None) -> Session:
    return Session(User("ann"), Context(TTL), clock or Clock())


@given(st.lists(st.sampled_from(Event)))
def test_a_session_only_goes_forward_and_refuses_what_is_illegal(events: list[Event]) -> None:
    order = list(State)
    session = new_session()
    for event in events:
        before = session.state
        try:
            session.handle(event)
        except IllegalEventError:
            assert session.state is before
        else:
            assert order.index(session.state) > order.index(before)
            assert (session.state is State.CLOSED) == (event is Event.RELEASED)


def test_the_way_of_a_session_and_no_way_back() -> None:
    session = new_session()
    for event, state in zip(Event, (State.ESTABLISHED, State.CLOSING, State.CLOSED), strict=True):
        session.handle(event)
        assert session.state is state
    for event in Event:
        with pytest.raises(IllegalEventError, match=f"CLOSED and cannot {event.name}"):
            session.handle(event)


class Counts(RuleBasedStateMachine):
    """Holders come, retain, release, fall silent and retire in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.zeroed: list[str] = []
        self.references = References(lambda session: self.zeroed.append(session.id), 30.0, self.clock)
        self.sessions = [new_session() for _ in range(3)]
        self.names = itertools.count()

    @rule()
    def register(self) -> None:
        self.references.register(f"holder-{next(self.names)}")

    @precondition(lambda self: self.references.holders)
    @rule(data=st.data(), number=st.integers(0, 2))
    def retain(self, data: st.DataObject, number: int) -> None:
        self.references.retain(data.draw(st.sampled_from(self.references.holders)), self.sessions[number])

    @precondition(lambda self: any(holder.held for holder in self.references.holders))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        holder = data.draw(st.sampled_from([one for one in self.references.holders if one.held]))
        session = data.draw(st.sampled_from(holder.held))
        before, was = len(self.zeroed), len(session.holders)
        self.references.release(holder, session)
        assert len(session.holders) == was - 1
        assert self.zeroed[before:] == ([session.id] if was == 1 else [])

    @precondition(lambda self: self.references.holders)
    @rule(data=st.data())
    def retire(self, data: st.DataObject) -> None:
        holder = data.draw(st.sampled_from(self.references.holders))
        self.references.retire(holder)
        assert not holder.held
        assert all(holder not in session.holders for session in self.sessions)

    @precondition(lambda self: self.references.holders)
    @rule(data=st.data(), seconds=st.floats(0, 60))
    def time_passes_for_all_but_one(self, data: st.DataObject, seconds: float) -> None:
        self.clock.now += seconds
        alive = data.draw(st.sampled_from(self.references.holders))
        self.references.heartbeat(alive)
        assert alive not in self.references.dead()

    @invariant()
    def a_count_is_what_the_holders_hold(self) -> None:
        for session in self.sessions:
            held = sum(one is session for holder in self.references.holders for one in holder.held)
            assert len(session.holders) == held

    @invariant()
    def the_dead_hold_something_and_are_silent(self) -> None:
        for holder in self.references.dead():
            assert holder.held
            assert self.clock.now - holder.last_heartbeat > 30.0


TestCounts = Counts.TestCase
TestCounts.settings = settings(max_examples=40, deadline=None)


def test_a_block_that_fails_releases_what_it_held() -> None:
    session = new_session()
    zeroed: list[Session] = []
    references = References(zeroed.append)
    with pytest.raises(KeyError), references.held("stream", session):
        assert len(session.holders) == 1
        raise KeyError
    assert (session.holders, references.holders, zeroed) == ([], [], [session])


def test_a_release_of_what_is_not_held_is_refused() -> None:
    references = References(lambda _: None)
    with pytest.raises(ValueError):
        references.release(references.register("stream"), new_session())


def test_expiry_slides_with_use() -> None:
    clock = Clock()
    session = new_session(clock)
    clock.now += 99
    session.touch(clock.now)
    clock.now += 99
    assert not session.is_expired(clock.now)
    assert session.is_expired(clock.now + 2)


def test_a_change_of_subject_makes_a_context_cold_and_its_life_short() -> None:
    context = Context(TTL)
    context.hear("the train to Bern is late")
    assert (context.tier, context.ttl_s) == (Tier.HOT, 100.0)
    context.hear("boil two eggs")
    assert (context.tier, context.ttl_s) == (Tier.COLD, 10.0)
    context.hear("the train is late, boil two eggs")
    assert (context.tier, context.ttl_s) == (Tier.HOT, 100.0)


@given(st.text(), st.text())
def test_similarity_is_a_symmetric_share(one: str, other: str) -> None:
    assert similarity(one, other) == pytest.approx(similarity(other, one))
    assert -1e-9 <= similarity(one, other) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("one", "other", "share"), [("a b", "B A", 1), ("a b", "c", 0), ("", "a", 0), ("a b", "a c", 0.5)]
)
def test_similarity(one: str, other: str, share: float) -> None:
    assert similarity(one, other) == pytest.approx(share)


def test_the_device_keeps_hot_contexts_only_and_no_session_alive() -> None:
    device, session = DeviceCache(), new_session()
    session.context.hear("hello")
    device.keep(session, 0.0)
    assert device.size > 0
    session.context.tier = Tier.COLD
    device.keep(session, 0.0)
    assert device.size == 0
    session.context.tier = Tier.HOT
    device.keep(session, 0.0)
    gone = weakref.ref(session)
    del session
    gc.collect()
    assert gone() is None


@given(rate=st.floats(1, 1000), burst=st.integers(1, 20), takes=st.integers(1, 60))
def test_a_bucket_gives_the_burst_at_once_and_then_its_rate(rate: float, burst: int, takes: int) -> None:
    clock = Clock()
    bucket = TokenBucket(rate, burst, clock, clock.sleep)

    async def take_all() -> None:
        for _ in range(takes):
            await bucket.take()

    asyncio.run(take_all())
    needed = max(0, takes - burst) / rate
    assert needed - 1e-6 <= clock.now - 1000.0 <= needed + takes * 0.0011


def test_a_listener_may_leave_while_it_is_told() -> None:
    bus, heard = Bus(), []

    def once(text: str) -> None:
        heard.append(text)
        bus.unsubscribe(once)

    bus.subscribe(once)
    bus.subscribe(heard.append)
    bus.publish("new model")
    bus.publish("newer")
    bus.unsubscribe(once)
    assert heard == ["new model", "new model", "newer"]

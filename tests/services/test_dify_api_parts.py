"""The parts of the conversation API by themselves: breaker, sessions, caches, files, errors and the pool."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from fixtures.services.dify_api.breaker import Breaker, BreakerOpenError, State
from fixtures.services.dify_api.clock import Clock
from fixtures.services.dify_api.database import Database, Turn, turns_of
from fixtures.services.dify_api.errors import LastErrors
from fixtures.services.dify_api.files import Files
from fixtures.services.dify_api.models import ModelCache
from fixtures.services.dify_api.sessions import (
    ConversationSession,
    Sessions,
    TooManySessionsError,
    UnknownSessionError,
)

DAY = 86_400.0


class FrozenClock(Clock):
    """Moves only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 1_000_000.0

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds


class FailedError(Exception):
    """What counts against the other side."""


class BreakerMachine(RuleBasedStateMachine):
    """Calls begin and end in any order while time passes; a model of four numbers says what must happen."""

    FAILURES = 3
    PAUSE = 10.0

    def __init__(self) -> None:
        super().__init__()
        self.clock = FrozenClock()
        self.breaker = Breaker(self.clock, self.FAILURES, self.PAUSE)
        self.failed = 0
        self.opened: float | None = None
        self.running: list[tuple[AbstractContextManager[None], bool]] = []

    def expected(self) -> State:
        if self.opened is None:
            return State.CLOSED
        return State.OPEN if self.clock.now() < self.opened + self.PAUSE else State.HALF_OPEN

    @rule()
    def begin(self) -> None:
        state = self.expected()
        refused = state is State.OPEN or (state is State.HALF_OPEN and any(trying for _, trying in self.running))
        call = self.breaker.call(FailedError)
        if refused:
            with pytest.raises(BreakerOpenError):
                call.__enter__()
        else:
            call.__enter__()
            self.running.append((call, state is State.HALF_OPEN))

    @precondition(lambda self: self.running)
    @rule(which=st.integers(min_value=0), how=st.sampled_from(["well", "failed", "cancelled"]))
    def end(self, which: int, how: str) -> None:
        call, trying = self.running.pop(which % len(self.running))
        if how == "well":
            call.__exit__(None, None, None)
            if trying or self.opened is None:
                self.failed, self.opened = 0, None
            return
        error = FailedError() if how == "failed" else KeyboardInterrupt()
        assert not call.__exit__(type(error), error, None), "the exception goes on"
        if how == "failed":
            self.failed += 1
            if self.failed >= self.FAILURES or self.opened is not None:
                self.opened = self.clock.now()

    @rule(seconds=st.sampled_from([1.0, 5.0, 10.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def the_state_is_the_models(self) -> None:
        assert self.breaker.state is self.expected()


test_breaker = BreakerMachine.TestCase


def test_the_way_of_a_breaker() -> None:
    clock = FrozenClock()
    breaker = Breaker(clock, failures=2, pause=10.0)

    def fail() -> None:
        with pytest.raises(FailedError), breaker.call(FailedError):
            raise FailedError

    fail()
    assert breaker.state is State.CLOSED
    fail()
    assert breaker.state is State.OPEN
    with pytest.raises(BreakerOpenError), breaker.call(FailedError):
        raise AssertionError("an open breaker lets nothing through")
    clock.advance(10.0)
    assert breaker.state is State.HALF_OPEN
    fail()
    assert breaker.state is State.OPEN
    clock.advance(10.0)
    with breaker.call(FailedError):
        pass
    assert breaker.state is State.CLOSED


def new_sessions(clock: Clock, most: int = 100) -> tuple[Sessions, list[ConversationSession]]:
    ended: list[ConversationSession] = []
    return Sessions(clock, 10.0, most, ended.append), ended


@given(st.lists(st.tuples(st.sampled_from(["open", "use", "end", "sweep", "wait"]), st.integers(0, 9))))
def test_sessions_end_once_and_only_when_they_must(steps: list[tuple[str, int]]) -> None:
    clock = FrozenClock()
    sessions, ended = new_sessions(clock)
    due: dict[str, float] = {}
    for what, number in steps:
        alive = {session_id for session_id, when in due.items() if clock.now() < when}
        chosen = sorted(due)[number % len(due)] if due else ""
        if what == "open":
            due[sessions.open("ann").session_id] = clock.now() + 10.0
        elif what == "wait":
            clock.advance(float(number))
        elif what == "sweep":
            sessions.sweep()
            assert set(sessions.ids()) == alive
        elif chosen in alive:
            getattr(sessions, what)(chosen)
            due[chosen] = clock.now() + 10.0 if what == "use" else 0.0
        else:
            with pytest.raises(UnknownSessionError):
                sessions.use(chosen)
    assert len({session.session_id for session in ended}) == len(ended) == len(due) - len(sessions)
    assert all(session.state == "closed" for session in ended)


def test_a_full_service_makes_room_of_what_is_overdue() -> None:
    clock = FrozenClock()
    sessions, _ = new_sessions(clock, most=2)
    sessions.open("ann")
    sessions.open("bob")
    with pytest.raises(TooManySessionsError):
        sessions.open("cid")
    clock.advance(10.0)
    sessions.open("cid")
    assert len(sessions) == 1


@given(st.lists(st.integers(0, 9), max_size=40))
def test_the_model_cache_is_bounded_and_keeps_the_last_used(used: list[int]) -> None:
    cache = ModelCache(FrozenClock(), most=3, ttl=60.0)
    sessions = [ConversationSession(f"user {number}", 0.0, 10.0) for number in range(10)]
    for number in used:
        cache.get(sessions[number])
    last = list(dict.fromkeys(reversed(used)))[:3]
    assert len(cache) == len(last)
    models = {number: cache.get(sessions[number]) for number in last}
    assert all(cache.get(sessions[number]) is model for number, model in models.items())


def test_models_are_too_old_some_time_and_go_with_their_session() -> None:
    clock = FrozenClock()
    cache = ModelCache(clock, most=3, ttl=60.0)
    first, second = (ConversationSession(user, 0.0, 10.0) for user in ("ann", "bob"))
    loaded = cache.get(first)
    clock.advance(59.0)
    cache.get(second)
    assert cache.get(first) is loaded
    clock.advance(1.0)
    cache.expire()
    assert len(cache) == 1
    cache.drop(second.session_id)
    assert len(cache) == 0


def test_errors_are_kept_without_their_frames() -> None:
    errors = LastErrors(most=2)

    def failing() -> weakref.ref[ConversationSession]:
        session = ConversationSession("ann", 0.0, 10.0)
        try:
            raise ValueError(session.user)
        except ValueError as error:
            errors.record(error)
        return weakref.ref(session)

    gone = [failing() for _ in range(3)]
    assert [session() for session in gone] == [None] * 3
    assert len(errors) == 2


def test_files_are_closed_rotated_and_forgotten(tmp_path: Path) -> None:
    files = Files(tmp_path)
    session = ConversationSession("ann", 0.0, 10.0)
    with pytest.raises(KeyError), files.transcript(session) as file:
        raise KeyError
    assert file.closed
    files.forget(session)
    files.forget(session)
    files.audit("one")
    files.rotate()
    files.rotate()
    files.audit("two")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.1.log", "audit.log"]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'turns.db'}", size=2, wait=0.05)
    yield made
    made.close()


def test_connections_come_back_however_a_unit_ends(database: Database) -> None:
    session = ConversationSession("ann", 0.0, 10.0)

    def failing() -> None:
        with database.unit(session) as work:
            work.add(Turn(session_id=session.session_id, said="never"))
            assert turns_of(work, session.session_id) == 1
            assert database.counters()["checked_out"] == 1
            raise FailedError

    for _ in range(5):
        with pytest.raises(FailedError):
            failing()
    with database.unit(session) as work:
        assert turns_of(work, session.session_id) == 0
    assert database.counters() == {"size": 2, "checked_out": 0, "checked_in": 1}
    database.reconnect()
    assert database.counters()["checked_in"] == 0


def test_the_pool_has_an_end_and_nobody_waits_long_for_it(database: Database) -> None:
    with ExitStack() as all_of_them, pytest.raises(PoolTimeoutError):
        for _ in range(3):
            work = all_of_them.enter_context(database.unit(ConversationSession("ann", 0.0, 10.0)))
            turns_of(work, "")
    assert database.counters()["checked_out"] == 0


@pytest.mark.parametrize(("ahead", "nights"), [(0.0, 0), (DAY, 1), (2 * DAY, 2)])
def test_nights_are_counted(ahead: float, nights: int) -> None:
    clock = FrozenClock()
    first = clock.night(3)
    clock.advance(ahead)
    assert clock.night(3) == first + nights


def test_a_clock_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="back"):
        Clock().advance(-1.0)

"""The manager of the conversation server at work: how sessions end, what is tried again, what the guard finds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from io import StringIO

import pytest

from fixtures.services.autoglm.audit import AuditLog
from fixtures.services.autoglm.bus import BUS
from fixtures.services.autoglm.context import TimeToLive
from fixtures.services.autoglm.destruction import Patience
from fixtures.services.autoglm.leaks import LEAKS
from fixtures.services.autoglm.manager import Manager, Settings
from fixtures.services.autoglm.sessions import Session, State, User

FAST = Settings(
    ttl=TimeToLive(hot_s=0.3, cold_s=0.1),
    guard_every_s=0.02,
    heartbeat_timeout_s=0.1,
    patience=Patience(attempts=3, pause_s=0.01, timeout_s=0.1, hangs_after_s=0.1),
    bulk_per_s=100.0,
    bulk_burst=2,
    word_s=0.0,
)
SLOW = Settings(word_s=0.0)
ANN = User("ann", "192.0.2.7")
HALF_A_PAIR = "\ud83d"


def at_work(settings: Settings, work: Callable[[Manager], Awaitable[None]], kind: type[Manager] = Manager) -> Manager:
    """Starts a manager, does ``work``, stops it; the manager afterwards."""

    async def whole_life() -> Manager:
        manager = kind(settings)
        manager.start()
        try:
            await work(manager)
        finally:
            await manager.stop()
        return manager

    return asyncio.run(whole_life())


async def until(condition: Callable[[], bool]) -> None:
    """Waits for ``condition``; TimeoutError after five seconds."""
    patience_ends = time.monotonic() + 5.0
    while not condition():
        if time.monotonic() > patience_ends:
            raise TimeoutError
        await asyncio.sleep(0.005)


async def talk(manager: Manager, session: Session, text: str = "hello") -> str:
    return "".join([word async for word in manager.turn(session, text)])


def outcomes(manager: Manager) -> list[str]:
    return [record.outcome for record in manager.audit.records if record.action == "destroy"]


def test_a_logout_destroys_and_leaves_nothing() -> None:
    async def work(manager: Manager) -> None:
        session = manager.open(ANN)
        await talk(manager, session)
        assert manager.device.size > 0
        assert manager.logout(session).startswith(b"user: hello\nmodel: word-0")
        assert manager.find(session.id) is None
        await until(lambda: manager.destroyer.destroyed == 1)
        assert (manager.device.size, BUS.listeners, session.context.history) == (0, [], [])
        assert session.state is State.CLOSED
        assert manager.stats()["in_memory"] == 1
        del session
        assert manager.stats()["in_memory"] == 0

    at_work(SLOW, work)


def test_a_failing_hook_is_tried_three_times_and_then_left_out() -> None:
    async def work(manager: Manager) -> None:
        session = manager.open(ANN)
        await talk(manager, session, HALF_A_PAIR)
        with pytest.raises(UnicodeEncodeError):
            manager.logout(session)
        await until(lambda: session.state is State.CLOSED)
        assert manager.device.size == 0

    manager = at_work(FAST, work)
    assert outcomes(manager) == ["logout, " + ", ".join(["bill: UnicodeEncodeError"] * 3)]
    assert manager.audit.records[-1].attempts == 4


def test_hooks_run_in_order_and_one_that_hangs_is_cut_off() -> None:
    ran: list[str] = []

    async def work(manager: Manager) -> None:
        async def hangs(_: Session) -> None:
            ran.append("hangs")
            await asyncio.sleep(60)

        async def last(session: Session) -> None:
            assert session.context.history == []
            ran.append("last")

        manager.destroyer.before_destroy("hangs", hangs)
        manager.destroyer.before_destroy("last", last)
        session = manager.open(ANN)
        await talk(manager, session)
        manager.end(session, "logout", "ann")
        await until(lambda: session.state is State.CLOSED)

    at_work(Settings(patience=FAST.patience, word_s=0.0), work)
    assert ran == ["hangs", "hangs", "hangs", "last"]


def test_a_session_is_destroyed_only_when_nobody_uses_it() -> None:
    async def work(manager: Manager) -> None:
        session = manager.open(ANN)
        answer = manager.turn(session, "hello")
        await anext(answer)
        manager.end(session, "logout", "ann")
        await asyncio.sleep(0.02)
        assert (session.state, manager.find(session.id)) == (State.CLOSING, None)
        await answer.aclose()
        await until(lambda: session.state is State.CLOSED)

    at_work(SLOW, work)


def test_the_guard_releases_what_a_silent_holder_holds() -> None:
    async def work(manager: Manager) -> None:
        session = manager.open(ANN)
        manager.references.retain(manager.references.register("exporter"), session)
        manager.end(session, "logout", "ann")
        await until(lambda: session.state is State.CLOSED)

    manager = at_work(FAST, work)
    assert ("release", "exporter", "dead") in [
        (one.action, one.resource_id, one.outcome) for one in manager.audit.records
    ]


def test_idle_sessions_end_by_the_guard_and_on_access() -> None:
    async def by_guard(manager: Manager) -> None:
        manager.open(ANN)
        await until(lambda: manager.destroyer.destroyed == 1)

    async def on_access(manager: Manager) -> None:
        session = manager.open(ANN)
        await asyncio.sleep(0.05)
        assert manager.find(session.id) is None

    assert outcomes(at_work(FAST, by_guard)) == ["expired"]
    brief = Settings(ttl=TimeToLive(0.02, 0.02))
    assert outcomes(at_work(brief, on_access)) == ["expired"]


def test_the_guard_revives_a_destruction_that_nobody_works_on() -> None:
    async def work(manager: Manager) -> None:
        session = manager.open(ANN)
        manager.end(session, "logout", "ann")
        manager.destroyer.queue.get_nowait()
        await until(lambda: session.state is State.CLOSED)

    assert outcomes(at_work(FAST, work)) == ["logout"]


def test_a_mass_logout_keeps_to_its_rate_and_to_its_user() -> None:
    async def work(manager: Manager) -> None:
        for _ in range(12):
            manager.open(ANN)
        manager.open(User("bob"))
        began = time.monotonic()
        await manager.end_all_of("ann", "ann")
        assert time.monotonic() - began >= 0.09
        assert [one.user.name for one in manager.sessions.values()] == ["bob"]

    at_work(Settings(bulk_per_s=100.0, bulk_burst=2), work)


def test_a_stop_in_the_middle_of_a_mass_logout_destroys_every_session_in_order() -> None:
    ran: list[tuple[str, str]] = []

    async def work(manager: Manager) -> None:
        async def note(session: Session) -> None:
            ran.append((session.id, session.ending.reason if session.ending else ""))

        manager.destroyer.before_destroy("note", note)
        for _ in range(20):
            manager.open(ANN)
        manager.spawn(manager.end_all_of("ann", "ann"))
        await asyncio.sleep(0.03)

    manager = at_work(Settings(bulk_per_s=20.0, bulk_burst=2), work)
    assert (manager.destroyer.destroyed, manager.sessions, manager.tasks) == (20, {}, set())
    assert len({session_id for session_id, _ in ran}) == len(ran) == 20
    assert {reason for _, reason in ran} == {"mass logout", "shutdown"}


def test_a_second_end_and_a_second_destruction_change_nothing() -> None:
    async def work(manager: Manager) -> None:
        session = manager.open(ANN)
        manager.end(session, "logout", "ann")
        manager.end(session, "logout", "ann")
        manager.on_unused(session)

    assert outcomes(at_work(SLOW, work)) == ["logout"]


def test_polling_leaves_to_the_next_sweep_what_fails() -> None:
    async def work(manager: Manager) -> None:
        good, bad = manager.open(ANN), manager.open(ANN)
        await talk(manager, bad, HALF_A_PAIR)
        for session in (good, bad):
            manager.end(session, "logout", "ann")
        await until(lambda: good.state is State.CLOSED)
        await asyncio.sleep(0.1)
        assert bad.state is State.CLOSING

    manager = at_work(Settings(poll_every_s=0.02, word_s=0.0), work)
    assert manager.audit.records[-1].attempts > 2


@pytest.mark.parametrize("turns", range(5))
def test_the_worker_ends_even_where_it_is_cancelled_as_its_hook_fails(turns: int) -> None:
    async def whole_life() -> None:
        manager = Manager(SLOW)
        fails = asyncio.get_running_loop().create_future()
        manager.destroyer.before_destroy("fails just now", lambda session: asyncio.shield(fails))
        manager.start()
        manager.end(manager.open(ANN), "logout", "ann")
        await asyncio.sleep(0.05)
        fails.set_exception(OSError())
        for _ in range(turns):
            await asyncio.sleep(0)
        await asyncio.wait_for(manager.stop(), 5.0)

    asyncio.run(whole_life())


def test_an_audit_record_is_a_line_of_json_that_says_all() -> None:
    file = StringIO()

    async def work() -> None:
        manager = Manager(SLOW, AuditLog(file))
        manager.end(manager.open(ANN), "logout", "ann")
        await manager.stop()

    asyncio.run(work())
    opened, destroyed = map(json.loads, file.getvalue().splitlines())
    assert (opened["action"], destroyed["action"], destroyed["outcome"]) == ("open", "destroy", "logout")
    assert (destroyed["operator"], destroyed["address"]) == ("ann", "192.0.2.7")
    assert destroyed["resource_id"] == opened["resource_id"]
    assert len(destroyed["trace_id"]) == 32
    assert destroyed["time"] >= opened["time"]


async def a_round(manager: Manager) -> dict[str, float]:
    """One session that ends well, one whose logout fails; what the manager says a while later."""
    for text in ("hello", HALF_A_PAIR):
        session = manager.open(ANN)
        await talk(manager, session, text)
        with contextlib.suppress(UnicodeEncodeError):
            manager.logout(session)
    del session
    await asyncio.sleep(0.3)
    return manager.stats()


async def an_idle_round(manager: Manager) -> dict[str, float]:
    """One session that falls silent; what the manager says when it should have expired long ago."""
    manager.open(ANN)
    await asyncio.sleep(1.0)
    return manager.stats()


def played(kind: type[Manager], idle: bool) -> dict[str, float]:
    """What one round leaves behind. Unless it is about idle sessions, their expiry comes to nobody's rescue."""
    kept: dict[str, float] = {}

    async def work(manager: Manager) -> None:
        kept.update(await (an_idle_round if idle else a_round)(manager))

    settings = FAST if idle else Settings(word_s=0.0, patience=FAST.patience)
    assert at_work(settings, work, kind).tasks == set()
    return kept


@pytest.mark.parametrize("leak", LEAKS)
def test_each_leak_keeps_something_and_stops_cleanly(leak: str) -> None:
    kept = played(LEAKS[leak], idle=leak == "glm-no-timeout")
    assert kept["in_memory"] + kept["device_bytes"] > 0


@pytest.mark.parametrize("idle", [False, True])
def test_the_sound_service_keeps_nothing_of_the_same(idle: bool) -> None:
    kept = played(Manager, idle)
    assert (kept["open"], kept["closing"], kept["in_memory"], kept["device_bytes"]) == (0, 0, 0, 0)
    assert kept["destroyed"] == kept["opened"] == (1 if idle else 2)


@pytest.fixture(autouse=True)
def empty_bus() -> Iterator[None]:
    """The bus belongs to the process; a leak may leave listeners on it."""
    BUS.listeners.clear()
    yield
    BUS.listeners.clear()

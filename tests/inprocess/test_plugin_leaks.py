"""``no_leaks`` around a block: what it blames, with which holder, and what it leaves alone."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import leakscope
from leakscope import LeakError, no_leaks

HELD: dict[Any, Any] = {}


class Session:
    def __init__(self) -> None:
        self.me = self


class Thing:
    pass


class Client:
    def __init__(self) -> None:
        self.sessions: list[Session] = []


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    HELD.clear()
    yield
    HELD.clear()


def test_a_session_that_stays_is_named_with_its_holder() -> None:
    with pytest.raises(LeakError) as caught, no_leaks():
        HELD["user 7"] = Session()
    said = str(caught.value)
    assert said.startswith("1 object stays alive:\n  1 x ")
    assert f"{__name__}.Session, " in said
    assert f"held by {__name__}.HELD['#" in said
    assert "user 7" not in said
    assert said.endswith("Allowed of each round: sessions=0.")


def test_what_was_there_before_is_not_blamed() -> None:
    HELD["before"] = Session()
    with no_leaks():
        HELD["before"].name = "changed"


def test_one_that_takes_the_place_of_another_is_none() -> None:
    HELD["last"] = Session()
    with no_leaks():
        HELD["last"] = Session()


def test_a_variable_of_the_code_around_may_keep_what_the_block_made() -> None:
    with no_leaks(growth=0):
        session, several = Session(), [Session()]
    assert session is not several[0]


def test_what_the_block_adds_to_an_older_variable_is_blamed() -> None:
    client = Client()
    with pytest.raises(LeakError, match=r"local 'client' -> .*\.Client\.sessions\[0\]"), no_leaks():
        client.sessions.append(Session())


def test_other_classes_only_count_when_asked_for() -> None:
    with no_leaks():
        HELD[1] = Thing()
    with pytest.raises(LeakError, match=r"Thing.*\n.*HELD"), no_leaks(growth=0):
        HELD[2] = Thing()
    with pytest.raises(LeakError, match="Thing"), no_leaks("*.Thing"):
        HELD[3] = Thing()
    with no_leaks("elsewhere.*"):
        HELD[4] = Thing()
    with no_leaks(growth=1):
        HELD[5] = Thing()


def test_subclasses_of_sessions_are_sessions() -> None:
    class Special(Session):
        pass

    with pytest.raises(LeakError, match="Special"), no_leaks():
        HELD[1] = Special()


def test_fewer_than_one_a_round_is_a_cache() -> None:
    with no_leaks(rounds=3):
        HELD[1], HELD[2] = Session(), Session()
    with pytest.raises(LeakError, match="3 objects stay alive after 3 rounds"), no_leaks(rounds=3):
        for number in range(3):
            HELD[number, "round"] = Session()
    with no_leaks(rounds=3, sessions=1):
        for number in range(3):
            HELD[number, "allowed"] = Session()


def test_cycles_and_weak_holders_keep_nothing() -> None:
    weak: weakref.WeakValueDictionary[int, Session] = weakref.WeakValueDictionary()
    with no_leaks():
        session = Session()
        session.me, weak[1] = session, session
        del session


def test_a_stored_exception_is_the_holder_of_what_its_frames_hold() -> None:
    def failing() -> None:
        in_frame = Session()
        raise ValueError(str(in_frame))

    with pytest.raises(LeakError, match=r"__traceback__.*failing\(\) at .*local 'in_frame'"), no_leaks(grace=0):
        try:
            failing()
        except ValueError as error:
            HELD["error"] = error


def test_work_in_flight_may_end() -> None:
    def work() -> None:
        session = Session()
        time.sleep(0.2)
        del session

    with no_leaks(grace=10):
        threading.Thread(target=work).start()


def test_a_thread_that_does_not_end_is_a_holder() -> None:
    end = threading.Event()

    def work() -> None:
        in_thread = Session()
        end.wait()
        del in_thread

    thread = threading.Thread(target=work)
    try:
        with pytest.raises(LeakError, match=r"work\(\) at .*local 'in_thread'"), no_leaks(grace=0.05):
            thread.start()
    finally:
        end.set()
        thread.join()


def test_an_error_of_the_block_is_what_it_ends_with() -> None:
    with pytest.raises(KeyError), no_leaks():
        HELD[1] = Session()
        raise KeyError("mine")


def test_tasks_run_on_in_the_grace() -> None:
    async def work() -> None:
        session = Session()
        await asyncio.sleep(0.1)
        del session

    async def main() -> None:
        async with no_leaks(grace=10):
            HELD["task"] = asyncio.create_task(work())
            await asyncio.sleep(0)

    asyncio.run(main())


def test_a_task_that_waits_for_ever_is_a_holder() -> None:
    async def waits() -> None:
        in_task = Session()
        await asyncio.Event().wait()
        del in_task

    async def main() -> None:
        async with no_leaks(grace=0.05):
            HELD["task"] = asyncio.create_task(waits())
            await asyncio.sleep(0)

    with pytest.raises(LeakError, match=r"HELD\[.*waits\(\) at .*local 'in_task'"):
        asyncio.run(main())


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: no_leaks(rounds=0), ValueError),
        (lambda: no_leaks(sessions=-1), ValueError),
        (lambda: no_leaks(growth=-1), ValueError),
        (lambda: no_leaks(Session), TypeError),  # type: ignore[arg-type]
        (lambda: no_leaks(""), TypeError),
    ],
)
def test_nonsense_is_refused(make: Callable[[], object], error: type[Exception]) -> None:
    with pytest.raises(error):
        make()


def test_it_is_lazily_there() -> None:
    assert leakscope.no_leaks is no_leaks
    assert issubclass(LeakError, AssertionError)
    with pytest.raises(AttributeError):
        leakscope.nothing  # noqa: B018

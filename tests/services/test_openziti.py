"""The router on its own behaviour: the tracker by any order, duplicate and loss; the two processes by real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.commands import ROOT, clean_environment
from fixtures.services.lines import Message, Peer, connected
from fixtures.services.openziti.controller import batches, new_sync, synced
from fixtures.services.openziti.leaks import LEAKS
from fixtures.services.openziti.tracker import MOST_BATCHES, ApiSession, Batch, Settled, State, Tracker

TIMEOUT = 30.0


def sync_of(name: str, count: int) -> list[Batch]:
    """A sync of ``count`` batches with a session each."""
    return [
        Batch(name, number, number == count - 1, (ApiSession(f"{name}-{number}", "token"),)) for number in range(count)
    ]


def fed(tracker: Tracker, messages: Sequence[Batch]) -> dict[str, list[Settled]]:
    """What each sync came to, a message per second; a sync that settles must leave the tracker that moment."""
    settled: dict[str, list[Settled]] = {}
    for now, batch in enumerate(messages):
        result = tracker.receive(batch, "controller", now * 0.001)
        if result is not None:
            assert batch.sync not in tracker.in_flight
            settled.setdefault(batch.sync, []).append(result)
    return settled


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[dict[str, int], list[Batch]]:
    """Some syncs, and their batches as they arrive: mixed, some twice or more, some never."""
    sizes = {f"sync-{index}": size for index, size in enumerate(draw(st.lists(st.integers(1, 6), max_size=5)))}
    sent = [batch for name, size in sizes.items() for batch in sync_of(name, size)]
    copies = [draw(st.integers(0, 3)) for _ in sent]
    arriving = [batch for batch, times in zip(sent, copies, strict=True) for _ in range(times)]
    return sizes, draw(st.permutations(arriving))


@given(deliveries())
def test_the_tracker_is_empty_after_each_sync_whatever_order_duplicate_or_loss(
    delivery: tuple[dict[str, int], list[Batch]],
) -> None:
    sizes, arriving = delivery
    tracker = Tracker(TIMEOUT)
    settled = fed(tracker, arriving)
    for name, size in sizes.items():
        arrived = {batch.number for batch in arriving if batch.sync == name}
        states = [result.state for result in settled.get(name, [])]
        assert states == ([State.COMPLETE] if len(arrived) == size else [])
        assert (name in tracker.in_flight) == (0 < len(arrived) < size)
    unfinished = list(tracker.in_flight.values())
    expired = tracker.expire(now=TIMEOUT + 1)
    assert [result.sync for result in expired] == unfinished
    assert {result.state for result in expired} <= {State.EXPIRED}
    assert not tracker.in_flight


@given(deliveries())
def test_a_complete_sync_has_all_its_sessions_once_in_the_controllers_order(
    delivery: tuple[dict[str, int], list[Batch]],
) -> None:
    sizes, arriving = delivery
    for name, results in fed(Tracker(TIMEOUT), arriving).items():
        assert list(results[0].sync.sessions()) == [f"{name}-{number}" for number in range(sizes[name])]


@given(deliveries())
def test_what_a_controller_leaves_unfinished_goes_with_it(delivery: tuple[dict[str, int], list[Batch]]) -> None:
    tracker = Tracker(TIMEOUT)
    fed(tracker, delivery[1])
    tracker.receive(sync_of("other", 2)[0], "another controller", 0.0)
    assert {result.state for result in tracker.lose("controller")} <= {State.LOST}
    assert list(tracker.in_flight) == ["other"]


@pytest.mark.parametrize(
    "contradiction",
    [
        Batch("sync", 0, False, (ApiSession("other", "token"),)),
        Batch("sync", 5, False, ()),
        Batch("sync", 1, True, ()),
        Batch("sync", MOST_BATCHES, False, ()),
    ],
    ids=["other content", "after the final one", "another final one", "too many"],
)
def test_a_contradiction_is_refused_and_leaves_nothing(contradiction: Batch) -> None:
    first, _, final = sync_of("sync", 3)
    tracker = Tracker(TIMEOUT)
    settled = fed(tracker, [first, final, contradiction])
    assert [result.state for result in settled["sync"]] == [State.REFUSED]
    assert not tracker.in_flight


def test_a_sync_that_gets_batches_does_not_expire() -> None:
    tracker = Tracker(TIMEOUT)
    for number, batch in enumerate(sync_of("sync", 4)[:3]):
        tracker.receive(batch, "controller", number * TIMEOUT)
        assert tracker.expire(number * TIMEOUT + TIMEOUT - 1) == []
    assert len(tracker.expire(3 * TIMEOUT + 1)) == 1


@pytest.mark.parametrize("leak", LEAKS)
def test_each_leak_keeps_every_sync_and_still_answers(leak: str) -> None:
    tracker = LEAKS[leak](TIMEOUT)
    for index in range(5):
        results = [tracker.receive(batch, "controller", 0.0) for batch in sync_of(f"sync-{index}", 2)]
        assert results[1] is not None
        assert results[1].state is State.COMPLETE
        assert len(tracker.in_flight) == index + 1
    complete = [sync.state is State.COMPLETE for sync in tracker.in_flight.values()]
    assert complete == [leak == "ziti-not-removed"] * 5


@contextmanager
def router(*options: object) -> Iterator[int]:
    """The port of a router process, which must end well."""
    command = [sys.executable, "-m", "fixtures.services.openziti", *map(str, options)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=clean_environment())
    assert process.stdout is not None
    try:
        ready: dict[str, Any] = json.loads(process.stdout.readline())
        assert ready["pid"] == process.pid
        yield ready["port"]
    finally:
        process.terminate()
        with process.stdout:
            assert process.wait(30) == 0


def run(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"fixtures.services.{module}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, env=clean_environment())


async def stats(port: int) -> Message:
    async with connected(port) as peer:
        return await peer.ask({"do": "stats"})


def test_controllers_and_router_are_processes_and_nothing_is_left_in_flight() -> None:
    with router() as port:
        assert run("openziti.controller", port, "--syncs", 3, "--sessions", 50).returncode == 0
        loaded = run("load", "openziti", port, "--sessions", 12)
        assert (loaded.returncode, loaded.stderr) == (0, "")
        assert asyncio.run(stats(port)) == {"sessions": 12, "running": 0, "tracked": 0}


def test_a_batch_that_never_comes_is_told_to_the_controller() -> None:
    async def withheld(port: int) -> Message:
        async with connected(port) as controller:
            messages = list(batches(new_sync(), ["a", "b", "c"], 1))
            return await synced(controller, messages[:1] + messages[2:])

    with router("--timeout", 0.2, "--guard", 0.05) as port:
        assert asyncio.run(withheld(port))["state"] == "expired"
        assert asyncio.run(stats(port))["tracked"] == 0


def test_an_older_sync_does_not_undo_a_newer_one() -> None:
    async def crossing(peer: Peer) -> list[Message]:
        old, new = (list(batches(new_sync(), [f"{age}-{index}" for index in range(4)], 1)) for age in ("old", "new"))
        answers = [await synced(peer, [old[0], *new]), await synced(peer, old[1:])]
        return answers + [await peer.ask({"do": "knows", "session": session}) for session in ("old-1", "new-1")]

    async def played(port: int) -> list[Message]:
        async with connected(port) as peer:
            return await crossing(peer)

    with router() as port:
        first, second, old, new = asyncio.run(played(port))
    assert first["state"] == second["state"] == "complete"
    assert (old["known"], new["known"]) == (False, True)


@pytest.mark.parametrize("line", [b"nonsense\n", b"[1]\n", b'{"do": "fly"}\n', b'{"do": "batch", "sync": "s"}\n'])
def test_a_line_that_is_no_message_ends_its_own_connection_only(line: bytes) -> None:
    with router() as port:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(line)
            answer = connection.makefile("rb").read()
        assert b'"error"' in answer
        assert asyncio.run(stats(port))["tracked"] == 0


def test_an_unknown_leak_and_a_taken_port_are_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = run("openziti", "--port", taken.getsockname()[1])
    unknown = run("openziti", "--leak", "ziti-none")
    for done, word in ((refused, "cannot listen on port"), (unknown, "ziti-not-removed")):
        assert done.returncode == 2
        assert word in done.stderr
        assert done.stderr.count("\n") == 1

"""The cluster on its own behaviour: its parts alone, then real instances on a real Redis, killed and restarted."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.commands import ROOT, clean_environment
from fixtures.services.dify_cluster.copies import Copies
from fixtures.services.dify_cluster.locks import Locks
from fixtures.services.dify_cluster.store import MemoryStore, StoreGoneError, Write
from fixtures.services.dify_cluster.writer import Writer
from fixtures.services.lines import Message, Peer, connected
from tests.catalogue.environments import with_libraries
from tests.interpreters import one_per_version

Answer = TypeVar("Answer")


class Shaky(MemoryStore):
    """Away as often as it is told."""

    def __init__(self, absences: Sequence[bool]) -> None:
        super().__init__(ttl=60)
        self.absences = list(absences)
        self.written: list[Write] = []

    async def write(self, writes: Sequence[Write]) -> None:
        if self.absences and self.absences.pop():
            raise StoreGoneError("away")
        self.written += writes


@given(st.lists(st.booleans(), max_size=8), st.integers(0, 30), st.integers(1, 4), st.integers(1, 4))
def test_the_writer_writes_everything_once_in_order(absences: list[bool], count: int, limit: int, batch: int) -> None:
    writes = [Write("s", {"turn": str(number)}) for number in range(count)]

    async def written() -> list[Write]:
        store = Shaky(absences)
        writer = Writer(store, limit, batch, gather=0, retry_after=0)
        for write in writes:
            await writer.put(write)
            assert len(writer) <= limit
        await writer.close()
        assert writer.lost == 0
        return store.written

    assert asyncio.run(written()) == writes


def test_a_batch_that_is_full_waits_for_no_more_and_another_one_does() -> None:
    async def written(count: int) -> tuple[int, int]:
        store = Shaky([])
        writer = Writer(store, batch=2, gather=0.5)
        for _ in range(count):
            await writer.put(Write("s", {}))
        for _ in range(20):
            await asyncio.sleep(0)
        at_once = len(store.written)
        await writer.close()
        return at_once, len(store.written)

    assert asyncio.run(written(4)) == (4, 4)
    assert asyncio.run(written(1)) == (0, 1)


def test_a_writer_whose_store_never_comes_back_ends_and_says_how_much_is_lost() -> None:
    async def closed() -> int:
        writer = Writer(Shaky([True] * 100), batch=2, retry_after=0, last_tries=3)
        for _ in range(5):
            await writer.put(Write("s", {}))
        await writer.close()
        return writer.lost

    assert asyncio.run(closed()) == 5


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=12))
def test_locks_exclude_and_leave_no_record_however_their_users_end(users: list[tuple[str, bool]]) -> None:
    locks = Locks()
    inside: set[str] = set()

    async def work(session: str) -> None:
        async with locks.of(session):
            assert session not in inside
            inside.add(session)
            try:
                await asyncio.sleep(0)
            finally:
                inside.discard(session)

    async def played() -> None:
        tasks = [asyncio.create_task(work(session)) for session, _ in users]
        await asyncio.sleep(0)
        for task, (_, cancelled) in zip(tasks, users, strict=True):
            if cancelled:
                task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [end for end in ends if isinstance(end, AssertionError)]

    asyncio.run(played())
    assert locks.records == {}


def test_copies_slide_expire_are_bounded_and_a_stale_read_is_not_kept() -> None:
    now = 0.0
    copies = Copies(ttl=10, limit=2, clock=lambda: now)
    for session in "abc":
        with copies.loading(session) as keep:
            keep({})
    assert list(copies.by_id) == ["b", "c"]
    now = 6.0
    assert copies.get("b") is not None
    now = 12.0
    assert copies.get("c") is None
    assert list(copies.by_id) == ["b"]
    with copies.loading("d") as keep:
        copies.drop("d")
        keep({"read": "before it changed"})
    assert copies.get("d") is None


def test_the_store_in_memory_slides_and_expires() -> None:
    now = 0.0

    async def played() -> None:
        nonlocal now
        store = MemoryStore(ttl=10, clock=lambda: now)
        for session in "ab":
            await store.create(session, {"user": session})
        now = 8.0
        await store.write([Write("a", {"turn": "1"})])
        now = 15.0
        assert await store.read("a") == {"user": "a", "turn": "1"}
        assert await store.read("b") is None
        await store.write([Write("b", {"turn": "late"})])
        assert await store.count() == 1
        assert await store.end("a")
        assert not await store.end("a")

    asyncio.run(played())


class Cluster:
    """A running cluster: who serves where."""

    def __init__(self, process: subprocess.Popen[bytes], ready: dict[str, Any]) -> None:
        self.process = process
        self.redis_port = int(ready["redis"].rpartition(":")[2].partition("/")[0])
        self.pids = [instance["pid"] for instance in ready["instances"]]
        self.ports = [instance["port"] for instance in ready["instances"]]

    def redis(self, *words: str) -> list[bytes]:
        """The lines of Redis's answer."""
        with socket.create_connection(("127.0.0.1", self.redis_port), timeout=10) as connection:
            connection.sendall((" ".join(words) + "\r\nQUIT\r\n").encode())
            return connection.makefile("rb").read().splitlines()[:-1]


@functools.cache
def python() -> Path:
    return with_libraries(one_per_version()[-1], "services")


def command(module: str, *options: object) -> list[str]:
    return [str(python()), "-m", f"fixtures.services.{module}", *map(str, options)]


def run(module: str, *options: object, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**clean_environment(), **environment}
    return subprocess.run(
        command(module, *options), capture_output=True, text=True, timeout=60, cwd=ROOT, env=variables
    )


@contextmanager
def cluster(*options: object) -> Iterator[Cluster]:
    """Two instances and a Redis; all must be gone at the end, without a complaint."""
    starting = command("dify_cluster", *options)
    process = subprocess.Popen(starting, stdout=subprocess.PIPE, cwd=ROOT, env=clean_environment())
    assert process.stdout is not None
    try:
        running = Cluster(process, json.loads(process.stdout.readline()))
        yield running
    finally:
        process.terminate()
        with process.stdout:
            code = process.wait(30)
    assert code == 0
    for port in (running.redis_port, *running.ports):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)


def talked(ports: Sequence[int], talk: Callable[[list[Peer]], Awaitable[Answer]]) -> Answer:
    """What ``talk`` returns, with a connection to each port."""

    async def all_connected() -> Answer:
        async with AsyncExitStack() as stack:
            return await talk([await stack.enter_async_context(connected(port)) for port in ports])

    return asyncio.run(asyncio.wait_for(all_connected(), 60))


async def opened(peer: Peer, payloads: Sequence[str] = ()) -> str:
    session = str((await peer.ask({"do": "open", "user": "u"}))["session"])
    for payload in payloads:
        await peer.ask({"do": "use", "session": session, "payload": payload})
    return session


async def shown(peer: Peer, session: str) -> list[str] | None:
    payloads: list[str] | None = (await peer.ask({"do": "show", "session": session})).get("payloads")
    return payloads


async def eventually(peer: Peer, session: str, payloads: list[str] | None) -> bool:
    """Writes and news arrive a moment later."""
    for _ in range(200):
        if await shown(peer, session) == payloads:
            return True
        await asyncio.sleep(0.01)
    return False


def test_instances_share_sessions_and_drop_copies_of_what_others_change_and_end() -> None:
    async def played(peers: list[Peer]) -> None:
        one, other = peers
        session = await opened(one, ["first"])
        assert await eventually(other, session, ["first"])
        await one.ask({"do": "use", "session": session, "payload": "second"})
        assert await eventually(other, session, ["first", "second"])
        assert await other.ask({"do": "end", "session": session}) == {"ended": session}
        assert await eventually(one, session, None)
        for peer in peers:
            told = await peer.ask({"do": "stats"})
            assert (told["sessions"], told["copies"], told["locks"]) == (0, 0, 0)

    with cluster() as running:
        talked(running.ports, played)
        loaded = run("load", "dify_cluster", running.ports[0], "--sessions", 12, "--mix", "good,raise")
        assert (loaded.returncode, loaded.stderr) == (0, "")


def test_time_to_live_slides_with_each_use_and_then_ends_the_session_everywhere() -> None:
    async def played(peers: list[Peer]) -> None:
        session = await opened(peers[0], ["first"])
        for _ in range(4):
            await asyncio.sleep(0.6)
            assert await eventually(peers[1], session, ["first"])
        await asyncio.sleep(2.5)
        told = [await peer.ask({"do": "stats"}) for peer in peers]
        assert [(stats["sessions"], stats["copies"]) for stats in told] == [(0, 0)] * 2

    with cluster("--ttl", 1.5, "--sweep", 0.2) as running:
        talked(running.ports, played)


def test_an_instance_is_killed_and_restarted_and_no_session_is_lost() -> None:
    async def begun(peers: list[Peer]) -> list[str]:
        sessions = [await opened(peer) for peer in peers for _ in range(20)]
        assert await peers[0].ask({"do": "stats"})
        return sessions

    async def all_there(peers: list[Peer]) -> int:
        return sum([await shown(peer, session) == [] for session in sessions for peer in peers])

    with cluster() as running:
        sessions = talked(running.ports, begun)
        os.kill(running.pids[0], signal.SIGKILL)
        assert talked(running.ports[1:], all_there) == len(sessions)
        _until(lambda: _serves(running.ports[0]))
        assert talked(running.ports, all_there) == 2 * len(sessions)


def test_no_payload_that_was_answered_is_lost_on_sigterm() -> None:
    payloads = [f"payload-{number}" for number in range(400)]

    async def begun(peers: list[Peer]) -> str:
        session = await opened(peers[0])
        for payload in payloads:
            await peers[0].send({"do": "use", "session": session, "payload": payload})
        for _ in payloads:
            assert "turns" in await peers[0].next()
        os.kill(running.pids[0], signal.SIGTERM)
        return session

    async def kept(peers: list[Peer]) -> list[str] | None:
        return await shown(peers[0], session)

    with cluster() as running:
        session = talked(running.ports[:1], begun)
        _until(lambda: not _serves(running.ports[0]))
        _until(lambda: _serves(running.ports[0]))
        assert talked(running.ports[1:], kept) == payloads


def test_each_leak_is_where_its_table_says() -> None:
    async def ended(peers: list[Peer]) -> list[Message]:
        sessions = [await opened(peers[0], ["one"]) for _ in range(5)]
        for session in sessions:
            assert await shown(peers[1], session) is not None
            await peers[0].ask({"do": "end", "session": session})
        await opened(peers[0])
        await asyncio.sleep(0.2)
        return [await peer.ask({"do": "stats"}) for peer in peers]

    with cluster("--leak", "cluster-missed-invalidation") as running:
        assert [told["copies"] for told in talked(running.ports, ended)] == [0, 5]
    with cluster("--leak", "cluster-lock") as running:
        assert [told["locks"] for told in talked(running.ports, ended)] == [5, 5]
    with cluster("--leak", "cluster-no-ttl") as running:
        talked(running.ports, ended)
        (key,) = [line for line in running.redis("KEYS", "session:*") if line.startswith(b"session:")]
        assert running.redis("TTL", key.decode()) == [b":-1"]
    with cluster() as running:
        talked(running.ports, ended)
        (key,) = [line for line in running.redis("KEYS", "session:*") if line.startswith(b"session:")]
        assert 0 < int(running.redis("TTL", key.decode())[0][1:]) <= 1800


def test_what_is_missing_or_wrong_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run("dify_cluster", "--instances", 1, "--port", port)
    empty = str(Path(shutil.which("true") or "/").parent / "nothing")
    cases = (
        (refused, "cannot listen on port"),
        (run("dify_cluster", PATH=empty), "apt-get install redis-server"),
        (run("dify_cluster", "--redis", "redis://127.0.0.1:1/0"), "cannot start without its store"),
        (run("dify_cluster", "--leak", "cluster-none"), "cluster-lock"),
        (run("dify_cluster", "--instances", 0), "1 to 16"),
    )
    for done, words in cases:
        assert done.returncode == 2, done.stderr
        assert words in done.stderr
        assert done.stderr.count("\n") == 1


def _serves(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)

"""Sessions of the cluster in a single and in a shared store, and synchronous against asynchronous writes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from comparison import Comparison, python_of_services, times

from fixtures.services.lines import Peer, connected
from fixtures.services.running import ROOT

_CLIENTS = 32
TARGET_RATIO = 3.0


@dataclass(frozen=True)
class Outage:
    """What clients saw of a killed instance."""

    lost: float
    """Share of the sessions."""
    delay_ms: float
    """From the kill until a client gets its first answer."""


@dataclass(frozen=True)
class Writes:
    """One round of uses."""

    per_second: float
    mean_ms: float
    kept: bool
    """Redis has every payload after SIGTERM."""


@contextmanager
def cluster(*options: object) -> Iterator[list[dict[str, int]]]:
    """Port and PID of two instances, which are ended after the block."""
    command = [str(python_of_services()), "-m", "fixtures.services.dify_cluster", *map(str, options)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        ready = process.stdout.readline()
        if not ready:
            raise SystemExit("the cluster does not start; try: python -m fixtures.services.dify_cluster")
        yield json.loads(ready)["instances"]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


async def outage(instances: Sequence[dict[str, int]], shared: bool, sessions: int) -> Outage:
    """Sessions at the first instance, which is killed; clients turn to the other one if that shares them."""
    first, other = (instance["port"] for instance in instances)
    async with connected(first) as peer:
        opened = [(await peer.ask({"do": "open"}))["session"] for _ in range(sessions)]
    os.kill(instances[0]["pid"], signal.SIGKILL)
    killed = time.perf_counter()
    port = other if shared else first
    if not shared:
        await _gone(instances[0]["pid"])
    await _serving(port)
    async with connected(port) as peer:
        answers = [await peer.ask({"do": "show", "session": opened[0]})]
        delay = time.perf_counter() - killed
        answers += [await peer.ask({"do": "show", "session": session}) for session in opened[1:]]
    found = sum("payloads" in answer for answer in answers)
    return Outage(1 - found / sessions, 1000 * delay)


async def uses(instances: Sequence[dict[str, int]], requests: int) -> Writes:
    """The clients use a session each, one request after the other; then the instance is told to end."""
    first, other = (instance["port"] for instance in instances)
    each = requests // _CLIENTS
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(connected(first)) for _ in range(_CLIENTS)]
        opened = [(await peer.ask({"do": "open"}))["session"] for peer in peers]
        began = time.perf_counter()
        delays = await asyncio.gather(
            *(_used(peer, session, each) for peer, session in zip(peers, opened, strict=True))
        )
        seconds = time.perf_counter() - began
        os.kill(instances[0]["pid"], signal.SIGTERM)
    await _gone(instances[0]["pid"])
    async with connected(other) as peer:
        kept = [len((await peer.ask({"do": "show", "session": session}))["payloads"]) == each for session in opened]
    return Writes(each * _CLIENTS / seconds, 1000 * statistics.mean(map(statistics.mean, delays)), all(kept))


async def _used(peer: Peer, session: str, times: int) -> list[float]:
    """How long each took, in seconds."""
    delays = []
    for turn in range(times):
        began = time.perf_counter()
        answer = await peer.ask({"do": "use", "session": session, "payload": f"turn {turn}"})
        if "turns" not in answer:
            raise SystemExit(f"a use was refused: {answer}")
        delays.append(time.perf_counter() - began)
    return delays


async def _serving(port: int) -> None:
    """Returns when somebody listens there."""
    while True:
        try:
            async with connected(port):
                return
        except ConnectionRefusedError:
            await asyncio.sleep(0.005)


async def _gone(pid: int) -> None:
    """Returns when the process has ended and its parent has noticed."""
    while Path(f"/proc/{pid}").exists():
        await asyncio.sleep(0.01)


def stores(sessions: int, rounds: int) -> Comparison:
    """Single against shared store; the worst share of lost sessions and the median delay of the rounds."""
    single, shared = [], []
    for _ in range(rounds):
        with cluster("--redis", "none") as instances:
            single.append(asyncio.run(outage(instances, shared=False, sessions=sessions)))
        with cluster() as instances:
            shared.append(asyncio.run(outage(instances, shared=True, sessions=sessions)))
    lost = [max(each.lost for each in side) for side in (single, shared)]
    delay = [statistics.median(each.delay_ms for each in side) for side in (single, shared)]
    return Comparison(
        title=f"One instance of two killed, {sessions} sessions, {rounds} rounds",
        rows=(
            ("", "single store", "shared store", "ratio", "write-up"),
            ("sessions lost", f"{lost[0]:.1%}", f"{lost[1]:.1%}", "", "12 % -> 0.2 %"),
            ("delay", f"{delay[0]:.0f} ms", f"{delay[1]:.1f} ms", times(*delay), "680 -> 130 ms: 5.2 x"),
        ),
        targets=(("with a shared store no session lost", lost[1] == 0),),
    )


def writes(requests: int, rounds: int) -> Comparison:
    """Synchronous against asynchronous, in turns, so that whatever else the machine does disturbs both alike.

    All numbers are medians; the ratio is that of the ratios of neighbouring runs.
    """
    measured: dict[str, list[Writes]] = {"sync": [], "async": []}
    for _ in range(rounds):
        for kind, results in measured.items():
            with cluster("--writes", kind) as instances:
                results.append(asyncio.run(uses(instances, requests)))
    ratios = [after.per_second / before.per_second for before, after in zip(*measured.values(), strict=True)]
    ratio = statistics.median(ratios)
    rate = [statistics.median(each.per_second for each in side) for side in measured.values()]
    delay = [statistics.median(each.mean_ms for each in side) for side in measured.values()]
    kept = [all(each.kept for each in side) for side in measured.values()]
    return Comparison(
        title=f"{requests} uses by {_CLIENTS} clients, then SIGTERM; {rounds} rounds",
        rows=(
            ("", "synchronous", "asynchronous", "ratio", "write-up"),
            (
                "requests/s",
                *(f"{each:.0f}" for each in rate),
                f"{ratio:.1f} x ({min(ratios):.1f} to {max(ratios):.1f})",
                "806 -> 2150: 2.7 x",
            ),
            ("mean delay", *(f"{each:.1f} ms" for each in delay), times(*delay), "12.4 -> 3.7 ms: 3.4 x"),
            ("payloads after SIGTERM", *("all kept" if each else "LOST" for each in kept), "", ""),
        ),
        targets=(
            (f"asynchronous writes at least {TARGET_RATIO:g} times the requests per second", ratio >= TARGET_RATIO),
            ("no payload lost on SIGTERM", all(kept)),
        ),
    )

"""Measures what the cluster's mechanisms are worth: both sides of each in one run, printed as ratios.

    python bench/scenarios_cluster.py [--sessions N] [--requests N] [--rounds N]

* **single against shared store**: one of two instances is killed and started again. With a store of its own it has
  forgotten its sessions; with the shared one its clients go on at the other.
* **synchronous against asynchronous writes**: the same uses over the same connections, with every use waiting until
  Redis has its write, and with writes queued. Then SIGTERM, after which the other instance must know every payload.

Needs redis-server (Debian's package) and the Python package redis.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from fixtures.services.lines import Peer, connected  # noqa: E402

_CLIENTS = 32


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
    command = [sys.executable, "-m", "fixtures.services.dify_cluster", *map(str, options)]
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


def compared_stores(sessions: int) -> list[str]:
    """Two lines and their ratio."""
    with cluster("--redis", "none") as instances:
        single = asyncio.run(outage(instances, shared=False, sessions=sessions))
    with cluster() as instances:
        shared = asyncio.run(outage(instances, shared=True, sessions=sessions))
    faster = single.delay_ms / shared.delay_ms
    return [
        f"one instance of two killed, {sessions} sessions        sessions lost        delay",
        *(
            f"  {name:<44} {outage_.lost:>11.1%} {outage_.delay_ms:>9.0f} ms"
            for name, outage_ in (("single store", single), ("shared store", shared))
        ),
        f"  write-up: 12 % -> 0.2 %, 680 -> 130 ms ({680 / 130:.1f} times); here {faster:.1f} times",
    ]


def compared_writes(requests: int, rounds: int) -> list[str]:
    """Two lines, each the median of the rounds, and their ratio."""
    measured: dict[str, list[Writes]] = {"sync": [], "async": []}
    for _ in range(rounds):
        for kind, results in measured.items():
            with cluster("--writes", kind) as instances:
                results.append(asyncio.run(uses(instances, requests)))
    rate = {kind: statistics.median(result.per_second for result in of) for kind, of in measured.items()}
    delay = {kind: statistics.median(result.mean_ms for result in of) for kind, of in measured.items()}
    kept = {kind: "all kept" if all(result.kept for result in of) else "LOST" for kind, of in measured.items()}
    return [
        f"{requests} uses by {_CLIENTS} clients, then SIGTERM       requests/s   mean delay     payloads",
        *(
            f"  {kind + 'hronous writes':<32} {rate[kind]:>15.0f} {delay[kind]:>9.1f} ms {kept[kind]:>12}"
            for kind in rate
        ),
        f"  write-up: 806 -> 2150 requests/s ({2150 / 806:.1f} times); here {rate['async'] / rate['sync']:.1f} times",
    ]


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description="What shared sessions and asynchronous writes are worth.")
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--requests", type=int, default=6400)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    lines = [*compared_stores(options.sessions), "", *compared_writes(options.requests, options.rounds)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

"""The keys of a store, a few at a time: name, type, time to live, idle time, size. Values are never asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from leakscope.errors import StoreError
from leakscope.store.address import Address
from leakscope.store.connection import Command, Connection, Refused, Reply, refusal
from leakscope.store.masks import Seen

BATCH = 10
"""Keys of one write: few enough that another client waits for less than a tenth of a millisecond."""
NO_EXPIRY = -1

Progress = Callable[[str, float], None]


class Key(NamedTuple):
    """One key that was there; None is unknown."""

    name: bytes
    type: str
    ttl_s: int | None
    """None: it never expires."""
    idle_s: int | None
    bytes: int | None


@dataclass
class Scan:
    """What became of a scan besides its keys."""

    vanished: int = 0
    warnings: dict[str, str] = field(default_factory=dict)
    """By what is missing because of it."""


class Pace:
    """Lets at most ``rate`` keys pass in a second, evenly; what was not used is not saved up."""

    def __init__(self, rate: float) -> None:
        self._each = 1.0 / rate
        self._next = time.monotonic()

    def wait(self, keys: int) -> None:
        """Until ``keys`` more may pass."""
        now = time.monotonic()
        if self._next > now:
            time.sleep(self._next - now)
        self._next = max(self._next, now - 0.1) + keys * self._each


def is_cluster(connection: Connection) -> bool:
    """Whether the server is one node of several; False where it does not say."""
    (told,) = connection.ask([(b"INFO", b"cluster")])
    return isinstance(told, bytes) and b"cluster_enabled:1" in told


def keys_of(
    connection: Connection, address: Address, match: bytes | None, rate: int, scan: Scan, report: Progress
) -> Iterator[Key]:
    """Every key that matches, once; ``scan`` is filled meanwhile. StoreError if the server refuses.

    The rate counts the keys that the server looks at, whether they match or not.
    """
    (size,) = connection.ask([(b"DBSIZE",)])
    expected = size if isinstance(size, int) and size else None
    pace, seen, cursor, looked_at = Pace(rate), Seen(), b"0", 0
    pattern = () if match is None else (b"MATCH", match)
    while True:
        cursor, names = _scanned(connection.value(b"SCAN", cursor, *pattern, b"COUNT", b"%d" % BATCH), address)
        looked_at += max(BATCH, len(names))
        report("asking the store", min(1.0, looked_at / expected) if expected else 1.0)
        fresh = [name for name in names if seen.add(name)]
        for at in range(0, len(fresh), BATCH):
            yield from _described(connection, address, fresh[at : at + BATCH], scan)
        if cursor == b"0":
            return
        pace.wait(max(BATCH, len(names)))


def _scanned(reply: Reply, address: Address) -> tuple[bytes, list[bytes]]:
    match reply:
        case [bytes() as cursor, list() as names] if all(isinstance(name, bytes) for name in names):
            return cursor, names
    raise StoreError(f"{address.url} does not speak Redis's protocol", "Is that the right port?")


def _described(connection: Connection, address: Address, names: list[bytes], scan: Scan) -> Iterator[Key]:
    commands: list[Command] = []
    for name in names:
        commands += ((b"TTL", name), (b"TYPE", name), (b"OBJECT IDLETIME", name), (b"MEMORY USAGE", name))
    replies = iter(connection.ask(commands))
    for name in names:
        ttl = _needed(next(replies), address)
        type_ = _needed(next(replies), address)
        idle, size = next(replies), next(replies)
        if ttl == -2 or type_ == b"none":
            scan.vanished += 1
            continue
        yield Key(
            name,
            type_.decode("utf-8", "replace") if isinstance(type_, bytes) else str(type_),
            None if ttl == NO_EXPIRY else int(ttl),
            _number(idle, "idle times are not known", scan),
            _number(size, "sizes are not known", scan),
        )


def _needed(reply: Reply, address: Address) -> Reply:
    if isinstance(reply, Refused):
        raise refusal(reply, address)
    if not isinstance(reply, int | bytes):
        raise StoreError(f"{address.url} does not speak Redis's protocol", "Is that the right port?")
    return reply


def _number(reply: Reply, missing: str, scan: Scan) -> int | None:
    if isinstance(reply, Refused):
        scan.warnings.setdefault(missing, reply.message)
        return None
    return reply if isinstance(reply, int) else None

"""Which keys of a store are wrong: without expiry, idle, known to no process; and which copies have no original."""

from __future__ import annotations

import heapq
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from leakscope.errors import StoreError
from leakscope.findings.store import KeyItem, KeyReport, Known, TypeRow
from leakscope.store.address import Address
from leakscope.store.connection import Connection
from leakscope.store.keys import Key, Progress, Scan, is_cluster, keys_of
from leakscope.store.masks import literal_prefix, mask_of, position_in, rest_of, shown

MOST_TYPES = 100
"""A server that makes up types does not fill the memory."""


@dataclass(frozen=True)
class Asked:
    """What to look for."""

    match: str | None = None
    idle_longer_than: float | None = None
    rate: int = 25_000
    limit: int = 50
    reveal: bool = False


@dataclass(frozen=True)
class Found:
    """The answer about keys, and for each snapshot which of its sessions have an original."""

    report: KeyReport
    in_store: tuple[bytes, ...]
    """One byte for each of ``Known.sessions``: 1 if the store has it."""


@dataclass
class _Count:
    count: int = 0
    no_expiry: int = 0
    idle: int = 0
    unknown: int = 0
    bytes: int = 0
    idle_most_s: int = -1
    sized: bool = False


def read_store(
    connection: Connection, address: Address, asked: Asked, known: Sequence[Known], report: Progress
) -> Found:
    """Asks for every key once; memory grows by 11 to 22 bytes a key. StoreError if the server refuses."""
    began, scan, judge = time.monotonic(), Scan(), _Judge(asked, known)
    if is_cluster(connection):
        if known:
            raise StoreError(
                f"{address.url} is one node of a cluster and cannot say which sessions are gone",
                "Without --snapshot it shows the keys of this node.",
            )
        scan.warnings["only the keys of this node are seen"] = "it is one of a cluster"
    match = None if asked.match is None else asked.match.encode("utf-8", "surrogateescape")
    for key in keys_of(connection, address, match, asked.rate, scan, report):
        judge.add(key)
    told = tuple(f"{missing}: {why}" for missing, why in scan.warnings.items())
    return Found(judge.report(scan.vanished, told, time.monotonic() - began), judge.in_store)


class _Judge:
    """Takes one key after the other; keeps counts and the worst keys."""

    def __init__(self, asked: Asked, known: Sequence[Known]) -> None:
        self._asked = asked
        self._known = known
        self._prefix = literal_prefix(None if asked.match is None else asked.match.encode("utf-8", "surrogateescape"))
        self._present = [bytearray(len(each.sessions)) for each in known]
        self._types: dict[str, _Count] = {}
        self._worst: list[tuple[tuple[int, int, int, bytes], Key, tuple[str, ...]]] = []
        self._flagged = self._fresh = 0
        captured = [each.captured_at for each in known if each.captured_at is not None]
        self._since_capture = max(0.0, time.time() - min(captured)) if captured else None

    @property
    def in_store(self) -> tuple[bytes, ...]:
        return tuple(map(bytes, self._present))

    def add(self, key: Key) -> None:
        unknown = bool(self._known) and not self._is_known(key.name)
        longest = self._asked.idle_longer_than
        flags = (
            *(("no-expiry",) if key.ttl_s is None else ()),
            *(("idle",) if longest is not None and key.idle_s is not None and key.idle_s >= longest else ()),
            *(("unknown-to-processes",) if unknown else ()),
        )
        self._count(key, flags)
        if flags:
            self._flagged += 1
            self._fresh += unknown and (key.idle_s is None or key.idle_s < (self._since_capture or 0.0))
            self._keep(key, flags)

    def _is_known(self, name: bytes) -> bool:
        """By the whole key or by the part that tells keys apart; marks the sessions it is the original of."""
        masks = {mask_of(name), mask_of(rest_of(name, self._prefix))}
        found = False
        for known, present in zip(self._known, self._present, strict=True):
            for mask in masks:
                found |= position_in(known.keys, mask) >= 0
                at = position_in(known.sessions, mask)
                if at >= 0:
                    present[at] = 1
        return found

    def _count(self, key: Key, flags: tuple[str, ...]) -> None:
        name = key.type if key.type in self._types or len(self._types) < MOST_TYPES else "other"
        row = self._types.setdefault(name, _Count())
        row.count += 1
        row.no_expiry += "no-expiry" in flags
        row.idle += "idle" in flags
        row.unknown += "unknown-to-processes" in flags
        if key.bytes is not None:
            row.bytes, row.sized = row.bytes + key.bytes, True
        if key.idle_s is not None:
            row.idle_most_s = max(row.idle_most_s, key.idle_s)

    def _keep(self, key: Key, flags: tuple[str, ...]) -> None:
        rank = (len(flags), key.idle_s or 0, key.bytes or 0, key.name)
        if len(self._worst) < self._asked.limit:
            heapq.heappush(self._worst, (rank, key, flags))
        elif rank > self._worst[0][0]:
            heapq.heapreplace(self._worst, (rank, key, flags))

    def report(self, vanished: int, warnings: tuple[str, ...], elapsed_s: float) -> KeyReport:
        rows = [self._row(name, row) for name, row in self._types.items()]
        return KeyReport(
            keys=sum(row.count for row in rows),
            types=tuple(sorted(rows, key=lambda row: (-row.count, row.type))),
            flagged=self._flagged,
            unknown_fresh=self._fresh,
            vanished=vanished,
            items=tuple(self._item(key, flags) for _, key, flags in sorted(self._worst, reverse=True)),
            elapsed_s=round(elapsed_s, 3),
            snapshot_age_s=None if self._since_capture is None else round(self._since_capture, 3),
            warnings=warnings,
        )

    def _row(self, name: str, row: _Count) -> TypeRow:
        idle_told = self._asked.idle_longer_than is not None and row.idle_most_s >= 0
        return TypeRow(
            type=name,
            count=row.count,
            no_expiry=row.no_expiry,
            idle=row.idle if idle_told else None,
            unknown=row.unknown if self._known else None,
            bytes=row.bytes if row.sized else None,
            idle_most_s=float(row.idle_most_s) if row.idle_most_s >= 0 else None,
        )

    def _item(self, key: Key, flags: tuple[str, ...]) -> KeyItem:
        return KeyItem(
            shown(key.name, self._prefix, self._asked.reveal), key.type, flags, key.ttl_s, key.idle_s, key.bytes
        )


def gone(known: Known, in_store: bytes) -> array[int]:
    """Ids of the sessions of ``known`` that the store does not have; ascending."""
    return array("Q", [mask for mask, there in zip(known.sessions, in_store, strict=True) if not there])

"""Masks of keys, equal to those of ids in snapshots; and sets of them that take eight bytes an entry."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from hashlib import blake2b

LONGEST_SHOWN = 200
_SPECIAL = re.compile(rb"(?<!\\)[*?\[]")


def mask_of(text: bytes) -> int:
    """48 bits of BLAKE2b, as the ids of sessions and the keys of dicts have in a snapshot."""
    return int.from_bytes(blake2b(text, digest_size=6).digest(), "big")


def position_in(masks: array[int], mask: int) -> int:
    """Where ``mask`` stands in the ascending ``masks``; -1 if it does not."""
    at = bisect_left(masks, mask)
    return at if at < len(masks) and masks[at] == mask else -1


def literal_prefix(pattern: bytes | None) -> bytes:
    """What every key that matches ``pattern`` begins with: ``session:*`` -> ``session:``."""
    if pattern is None:
        return b""
    special = _SPECIAL.search(pattern)
    return re.sub(rb"\\(.)", rb"\1", pattern[: special.start()] if special else pattern, flags=re.DOTALL)


def rest_of(key: bytes, prefix: bytes) -> bytes:
    """The part that tells keys apart: behind the pattern's beginning, or behind the last colon if that says nothing."""
    return key[len(prefix) :] if prefix and key.startswith(prefix) else key.rpartition(b":")[2]


def shown(key: bytes, prefix: bytes, reveal: bool) -> str:
    """The user's own words as they are, all else masked; hostile text, whoever prints it escapes it."""
    if reveal:
        text = key.decode("utf-8", "backslashreplace")
        return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}... ({len(key)} bytes)"
    begins = prefix if key.startswith(prefix) else b""
    rest = key[len(begins) :]
    return begins.decode("utf-8", "backslashreplace") + (f"#{mask_of(rest):012x}" if rest else "")


class Seen:
    """Which keys came already: SCAN may name one twice while the server's table grows or shrinks.

    Open addressing over 64-bit hashes, 11 to 22 bytes a key; in parts, so that growing takes little more for a moment.
    """

    def __init__(self) -> None:
        self._parts = [_Part() for _ in range(256)]

    def add(self, key: bytes) -> bool:
        """Whether it is new."""
        value = hash(key) & 0xFFFF_FFFF_FFFF_FFFF or 1
        return self._parts[value >> 56].add(value)


class _Part:
    """A set of numbers from 1 to 2**64 - 1, at most three quarters full."""

    __slots__ = ("_count", "_slots")

    def __init__(self) -> None:
        self._slots = array("Q", [0]) * 64
        self._count = 0

    def add(self, value: int) -> bool:
        if not _enter(self._slots, value):
            return False
        self._count += 1
        if self._count * 4 > len(self._slots) * 3:
            larger = array("Q", [0]) * (2 * len(self._slots))
            for slot in self._slots:
                if slot:
                    _enter(larger, slot)
            self._slots = larger
        return True


def _enter(slots: array[int], value: int) -> bool:
    """Whether it was not there."""
    last = len(slots) - 1
    at = value & last
    while slots[at] != value:
        if not slots[at]:
            slots[at] = value
            return True
        at = (at + 1) & last
    return False

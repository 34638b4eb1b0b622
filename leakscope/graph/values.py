"""How rules read fields of a foreign heap, whatever format it came in: a column at a time.

A room that has the bytes (``cpython``, ``formats``) provides a ``ValueSource``
beside its graph; nothing of it is kept once the sessions have been read.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol, runtime_checkable

import numpy as np

from leakscope.graph.heap import Addresses, Floats, Int8s, Int32s

UNKNOWN_MASK = 0xFFFF_FFFF_FFFF_FFFF
_DIGITS = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_AT_ONCE = 1 << 16


class Value(IntEnum):
    """What kind of value an object is."""

    MISSING = 0
    """No such object (the path led nowhere), or its bytes are torn."""
    NONE = 1
    BOOL = 2
    INT = 3
    FLOAT = 4
    TEXT = 5
    BYTES = 6
    AWARE = 7
    """A datetime with a zone; the number is epoch seconds."""
    NAIVE = 8
    """A datetime without one; the number is epoch seconds as if it were UTC."""
    DURATION = 9
    """A timedelta; the number is seconds."""
    OBJECT = 10
    """Anything else."""


@dataclass(frozen=True)
class Values:
    """Parallel arrays, one entry per node asked for."""

    kind: Int8s
    """``Value``."""
    number: Floats
    """NaN where the kind has none; the length for TEXT and BYTES."""


class ValueSource(Protocol):
    """Reads what objects are worth. Node -1 stands for "no such object" everywhere."""

    def values(self, nodes: Int32s) -> Values:
        """Kind and number of each node."""
        ...

    def c_numbers(self, nodes: Int32s, field: str) -> Values:
        """A number that C code keeps in the object: INT, or BOOL for flags; MISSING where its type has no such field.

        ``fd`` (sockets, files; -1 closed), ``state`` (C futures and tasks: 0 pending, 1 cancelled, 2 finished),
        ``open`` (sqlite3 connections, maps), ``locked`` (locks), ``maxsize`` (lru_cache, deque; -1 unbounded), ``len``
        (builtin containers and texts), and whatever whole number a C type publishes as a member, by its name.
        """
        ...

    def masks(self, nodes: Int32s) -> Addresses:
        """48-bit BLAKE2b masks of TEXT, BYTES and INT (as decimal text); ``UNKNOWN_MASK`` for all others."""
        ...

    def same_text(self, nodes: Int32s, wanted: list[str]) -> Int32s:
        """By node: which of ``wanted`` it is, -1 none. Linear in the nodes, whatever their texts."""
        ...

    def short_texts(self, nodes: Int32s, longest: int) -> Int8s:
        """One row of ``longest`` bytes per node: the Latin-1 characters of a TEXT, zeros behind them.

        All zeros for longer texts, for those with other characters, and for what is no TEXT.
        """
        ...

    def text(self, node: int, limit: int = 200) -> str | None:
        """The first characters of one TEXT; for the few that are shown."""
        ...


@runtime_checkable
class PlainFields(Protocol):
    """A ``ValueSource`` of a runtime whose objects have numbers in themselves, which are no objects."""

    def plain_fields(self, nodes: Int32s, name: str) -> Int32s:
        """By node: a number behind those of all objects for a field that holds a number, or nothing; -1 for others.

        The other methods take such numbers like nodes, for as long as the source lives.
        """
        ...


def shown_mask(mask: int) -> str:
    """How a masked text is written: ``#`` and 12 hexadecimal digits."""
    return f"#{mask:012x}"


def shown_masks(masks: Addresses) -> list[str]:
    """``shown_mask`` of each: of millions, several times as fast as one by one."""
    shown: list[str] = []
    for first in range(0, len(masks), _AT_ONCE):
        pairs = masks[first : first + _AT_ONCE].astype(">u8").view(np.uint8).reshape(-1, 8)[:, 2:]
        characters = np.empty((len(pairs), 13), dtype=np.uint32)
        characters[:, 0] = ord("#")
        characters[:, 1::2], characters[:, 2::2] = _DIGITS[pairs >> 4], _DIGITS[pairs & 15]
        shown += characters.view("U13").ravel().tolist()
    return shown

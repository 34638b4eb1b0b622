"""What a session's state is called. A text is shown only if it is a known word: OAuth's ``state`` is a secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from leakscope.graph.heap import Int32s
from leakscope.graph.values import UNKNOWN_MASK, Value, Values, shown_mask
from leakscope.sessions.evaluation import ENUM, ENUM_FIELDS
from leakscope.sessions.paths import Heap

OPEN, CLOSED, CLOSING = "open", "closed", "closing"
WORDS = (
    OPEN, CLOSED, CLOSING, "opening", "opened", "new", "created", "init", "initial", "initializing", "starting",
    "started", "connecting", "connected", "connect", "disconnecting", "disconnected", "reconnecting", "handshake",
    "handshaking", "authenticating", "authenticated", "ready", "ok", "up", "down", "active", "inactive", "idle", "busy",
    "in_use", "available", "checked_in", "checked_out", "established", "listening", "waiting", "pending", "queued",
    "scheduled", "running", "paused", "suspended", "sleeping", "stopping", "stopped", "shutdown", "shutting_down",
    "terminating", "terminated", "finishing", "finished", "done", "complete", "completed", "succeeded", "success",
    "failed", "failure", "error", "broken", "lost", "dead", "alive", "cancelled", "canceled", "cancelling", "aborted",
    "expired", "valid", "invalid", "invalidated", "revoked", "released", "draining", "dormant", "valid", "begin",
    "prepared", "committed", "rolledback", "rolled_back", "transaction", "intrans", "inerror", "unknown",
)  # fmt: skip
"""Words that libraries and services use for states; shown in lower case however they are written."""
SPELLINGS: tuple[Callable[[str], str], ...] = (str.lower, str.upper, str.capitalize)
LARGEST_NUMBER = 1000
Number: TypeAlias = Callable[[str], int]
"""Gives a text its index in ``graph.names``."""
MOST_MASKED = 1000
"""A field with more different texts than these is no state."""


def state_texts(heap: Heap, values: Values, nodes: Int32s | None, states: dict[str, str], number: Number) -> Int32s:
    """By entry: ``number`` of the state's text, -1 for none.

    ``nodes`` are the objects of ``values``, None for numbers that C code keeps; ``states`` says what values mean.
    """
    found = np.full(len(values.kind), -1, dtype=np.int32)
    _numbers(found, values, states, number)
    if nodes is not None:
        _texts(found, heap, values, nodes, states, number)
        _members(found, heap, nodes, states, number)
    return found


def _numbers(found: Int32s, values: Values, states: dict[str, str], number: Number) -> None:
    for kind in (Value.BOOL, Value.INT, Value.FLOAT):
        entries = np.flatnonzero((values.kind == kind) & (np.abs(values.number) <= LARGEST_NUMBER))
        whole = entries[values.number[entries] % 1 == 0]
        different, inverse = np.unique(values.number[whole].astype(np.int32), return_inverse=True)
        texts = [str(bool(each)) if kind == Value.BOOL else str(each) for each in different.tolist()]
        found[whole] = _numbered([states.get(text.lower(), states.get(text, text.lower())) for text in texts], number)[
            inverse
        ]


def _texts(found: Int32s, heap: Heap, values: Values, nodes: Int32s, states: dict[str, str], number: Number) -> None:
    entries = np.flatnonzero(values.kind == Value.TEXT)
    if not len(entries):
        return
    known = {spell(word): word for word in WORDS for spell in SPELLINGS} | states
    which = heap.source.same_text(nodes[entries], list(known))
    numbers = _numbered(list(known.values()), number, np.unique(which[which >= 0]))
    found[entries] = np.where(which >= 0, numbers[which], -1)
    others = entries[which < 0]
    different, inverse = np.unique(heap.source.masks(nodes[others]), return_inverse=True)
    if len(different) <= MOST_MASKED:
        texts = np.array([number(shown_mask(mask)) if mask != UNKNOWN_MASK else -1 for mask in different.tolist()])
        found[others] = texts[inverse] if len(others) else -1


def _members(found: Int32s, heap: Heap, nodes: Int32s, states: dict[str, str], number: Number) -> None:
    """Members of an Enum are called by their names, which are code."""
    entries = np.flatnonzero(heap.is_a(nodes, ENUM))
    different, inverse = np.unique(nodes[entries], return_inverse=True)
    names, worth = (heap.step(different, field) for field in ENUM_FIELDS)
    by_worth = np.full(len(different), -1, dtype=np.int32)
    _numbers(by_worth, heap.source.values(worth), states, lambda text: number(text) if text in states.values() else -1)
    told = [heap.source.text(node) if node >= 0 else None for node in names.tolist()]
    # What is no identifier is no name in somebody's code: Enum("Users", mails) makes members of any text.
    shown = [states.get(text, text.lower() if text.isidentifier() else "") if text else "" for text in told]
    texts = np.array([number(text) if text else -1 for text in shown], dtype=np.int32)
    found[entries] = np.where(by_worth >= 0, by_worth, texts)[inverse] if len(entries) else -1


def _numbered(texts: list[str], number: Number, used: Int32s | None = None) -> Int32s:
    """The numbers of ``texts``; of those not in ``used`` none is asked for."""
    numbers = np.full(len(texts), -1, dtype=np.int32)
    for at in range(len(texts)) if used is None else used.tolist():
        numbers[at] = number(texts[at])
    return numbers

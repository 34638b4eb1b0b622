"""``Profile``: what a runtime that shows no objects says of its heap: how much is in use, by the stack that made it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Measure(str, Enum):
    """What the numbers of a profile count, and what a stack means."""

    HEAP = "heap"
    """Objects and bytes in use, estimated from samples; the stack allocated them."""
    GOROUTINES = "goroutine"
    """Goroutines, all of them; the stack is where they stand."""
    REFERENCES = "references"
    """Objects and bytes, all of them; the stack is the chain of references that holds them (goref)."""


@dataclass(frozen=True)
class Place:
    """One line of a stack."""

    function: str
    """Hostile text, as all names."""
    file: str
    """"" if it is not known."""
    line: int
    """0 if it is not known."""


Stack = tuple[Place, ...]
"""The innermost first; of ``REFERENCES`` what is held first, the root last."""


@dataclass(frozen=True)
class Profile:
    """One look at one process. Stacks are unique."""

    measure: Measure
    captured_at: float | None
    """Epoch seconds."""
    sampled_bytes: int
    """One object in so many allocated bytes was looked at; at most 1 where all were."""
    stacks: tuple[Stack, ...]
    counts: tuple[int, ...]
    """By stack."""
    bytes: tuple[int, ...]
    """By stack; zeros for goroutines."""

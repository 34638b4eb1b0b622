"""Reading ``HeapGraph.facts``, which may come from a foreign file: what has another type than it should is unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

_LONGEST_ID = 20
_LANGUAGES = {"node": "javascript", "chrome": "javascript", "jvm": "java"}
SAME_START_S = 0.5
"""Two captures under one PID whose processes began so close to each other are of one process."""
SAME_OBJECTS = 0.93
"""Of the objects whose ids lie between two powers of two: in heaps of one process all are the same, while of two that
began alike and did the same work 72 in 100 were, in the octave where node's own texts lie, shuffled by a hash seed."""
LEAST_SHARED = 16
"""Ids in an octave from which it says anything."""


def number(facts: Mapping[str, Any], name: str) -> float | None:
    """A capture fact, if it is a number."""
    value = facts.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def language(facts: Mapping[str, Any]) -> str:
    """What the program is written in, by its runtime: ``python``, ``java``, ``javascript``."""
    return _LANGUAGES.get(str(facts.get("runtime")), "python")


def moment(facts: Mapping[str, Any]) -> tuple[float, float]:
    """What sorts captures by their time: of heaps without one, by the newest of their objects."""
    return number(facts, "captured_at") or 0.0, number(facts, "newest_id") or 0.0


def one_process(captures: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the facts of all captures say that they are of one process; False if one does not say."""
    if all(isinstance(facts.get("identities"), dict) for facts in captures):
        return all(_share_objects(one, other) for one, other in pairwise(captures))
    salts = {number(facts, "salt") for facts in captures}
    if None not in salts:
        return len(salts) == 1
    pids = {number(facts, "pid") for facts in captures}
    starts = [start for facts in captures if (start := number(facts, "started_at")) is not None]
    known = None not in pids and len(starts) == len(captures)
    return known and len(pids) == 1 and max(starts) - min(starts) <= SAME_START_S


def ids_for_life(facts: Mapping[str, Any]) -> bool:
    """Whether ``HeapGraph.address`` is an id that no later object takes over, and no place in memory."""
    return "identities" in facts


def same_places(captures: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an address (or id) means the same object in all of them."""
    return one_process(captures) and all(keeps_places(facts) for facts in captures)


def keeps_places(facts: Mapping[str, Any]) -> bool:
    """Whether an object stays where it is (or keeps its id) for its life; a JVM moves what it keeps."""
    return facts.get("runtime") != "jvm"


def _share_objects(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether what has the same id in both is the same thing, in every octave of ids."""
    first, second = one["identities"], other["identities"]
    shared, same = Counter[int](), Counter[int]()
    for key in first.keys() & second.keys():
        octave = int(key).bit_length() if key.isdecimal() and len(key) < _LONGEST_ID else 0
        shared[octave] += 1
        same[octave] += first[key] == second[key]
    told = [octave for octave, count in shared.items() if count >= LEAST_SHARED]
    return bool(told) and all(same[octave] >= SAME_OBJECTS * shared[octave] for octave in told)

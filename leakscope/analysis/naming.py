"""Which class a person would name: a session before its dict, a user's class before a library's, never a lock."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum
from fnmatch import translate

import numpy as np
import numpy.typing as npt

from leakscope.analysis.select import named, with_subclasses
from leakscope.graph.facts import language
from leakscope.graph.heap import HeapGraph, Int8s
from leakscope.graph.kinds import Fact, Origin

Bools = npt.NDArray[np.bool_]


class Rank(IntEnum):
    """How well a class names a leak, best first."""

    SESSION = 0
    """A session whose class is the user's own."""
    OWN = 1
    """Any class of the user's, and sessions of libraries."""
    LIBRARY = 2
    STDLIB = 3
    CARRIER = 4
    """Carries something for somebody: named only where nothing better is inside."""
    PART = 5
    """Belongs to whatever holds it."""


CARRIERS = (
    "_asyncio.Task", "_asyncio.Future", "asyncio.tasks.Task", "asyncio.futures.Future", "asyncio.events.*Handle",
    "concurrent.futures.*", "threading.Thread", "threading.Timer", "weakref.finalize", "weakref.finalize._Info",
    "greenlet.greenlet", "greenlet.Greenlet", "traceback.*", "logging.LogRecord", "type", "uvloop.*",
)  # fmt: skip
"""Globs over ``module.QualName``; exceptions are carriers too."""

PARTS = (
    "frame", "traceback", "code", "cell", "function", "method", "instancemethod", "builtin_*", "weakref*",
    "_thread.*", "_weakref.*", "collections.*", "_collections.*", "types.*", "typing.*", "functools.*", "operator.*",
    "itertools.*", "datetime.*", "decimal.*", "fractions.*", "uuid.*", "pathlib.*", "re.*", "_sre.*", "enum.*",
    "contextvars.*", "_contextvars.*", "Context", "ContextVar", "Token", "hamt*", "HAMT*", "asyncio.locks.*",
    "asyncio.mixins.*", "threading.Event", "threading.Condition", "threading.Semaphore", "threading._*", "queue.*",
    "_queue.*", "multidict.*", "array.*", "_io.BytesIO", "_io.StringIO", "_hashlib.*", "_struct.*", "_json.*",
    "_random.*", "random.*", "inspect.*", "importlib.*", "_frozen_importlib*", "zipimport.*",
    "_asyncio.TaskStepMethWrapper",
    "asyncio.queues.*", "immutables.*", "_asyncio.FutureIter", "frozendict.*", "_abc.*", "abc.*", "dataclasses.*",
    "managedbuffer", "memoryview", "sched.*", "_operator.*", "_functools.*", "keyword.*", "string.*",
)  # fmt: skip
"""Globs of classes whose objects belong to somebody. So do all builtin types (names without a dot)."""


_BY_ORIGIN = {
    Origin.USER: Rank.OWN, Origin.THIRD_PARTY: Rank.LIBRARY, Origin.STDLIB: Rank.STDLIB, Origin.INTERPRETER: Rank.PART,
}  # fmt: skip
"""JavaScript's classes have no module in their names, Java's may have none: origins say whose they are."""
_CARRIERS_OF_JAVA = (
    "*$$Lambda", "java.lang.Thread", "java.lang.ref.*", "java.util.Timer*", "java.util.concurrent.*Future*",
    "java.util.concurrent.ThreadPoolExecutor$*", "java.util.concurrent.ScheduledThreadPoolExecutor$*",
)  # fmt: skip
_PARTS_OF_JAVA = (
    "*[]", "frame", "[?]", "java.lang.*", "java.util.*", "java.time.*", "java.math.*", "java.net.UR*", "java.text.*",
    "java.io.*", "java.nio.*", "java.security.*", "jdk.internal.*", "sun.*", "javax.security.*", "scala.collection.*",
    "kotlin.Pair", "kotlin.Lazy*", "*$Entry", "*$Node",
)  # fmt: skip
_CARRIERS_OF_V8 = ("Promise", "timers.*", "*Error", "async_hooks.*", "BoundFunctionObject")


def _any_of(globs: Iterable[str]) -> re.Pattern[str]:
    """Matches what any of them does, thirty times sooner than one after the other."""
    return re.compile("|".join(map(translate, globs)))


_CARRIER, _PART = _any_of(CARRIERS), _any_of(PARTS)
_JAVA_CARRIER, _JAVA_PART, _V8_CARRIER = _any_of(_CARRIERS_OF_JAVA), _any_of(_PARTS_OF_JAVA), _any_of(_CARRIERS_OF_V8)


def class_ranks(graph: HeapGraph) -> Int8s:
    """``Rank`` by type; whether one is a session is not known by type but by object (``session_ranks``)."""
    exceptions = with_subclasses(graph, named(graph, "BaseException") | named(graph, "java.lang.Throwable"))
    rank = _RANKS.get(language(graph.facts), _rank)
    ranks = np.empty(len(graph.types.name), dtype=np.uint8)
    for row, name in enumerate(graph.types.name):
        ranks[row] = Rank.CARRIER if exceptions[row] else rank(name, int(graph.types.origin[row]))
    return ranks


def _rank_of_v8(name: str, origin: int) -> Rank:
    if _V8_CARRIER.match(name):
        return Rank.CARRIER
    return _BY_ORIGIN[Origin(origin)]


def _rank_of_java(name: str, origin: int) -> Rank:
    if _JAVA_CARRIER.match(name):
        return Rank.CARRIER
    if _JAVA_PART.match(name):
        return Rank.PART
    return _BY_ORIGIN[Origin(origin)]


def _rank(name: str, origin: int) -> Rank:
    if _CARRIER.match(name):
        return Rank.CARRIER
    if origin == Origin.USER and "." in name:
        return Rank.OWN
    if "." not in name or _PART.match(name):
        return Rank.PART
    return Rank.LIBRARY if origin == Origin.THIRD_PARTY else Rank.STDLIB


_RANKS = {"javascript": _rank_of_v8, "java": _rank_of_java}


def healthy_mask(graph: HeapGraph) -> Bools:
    """By node: its rule says that it is meant to live on."""
    mask = np.zeros(graph.objects, dtype=np.bool_)
    if graph.sessions is not None:
        mask[graph.sessions.node[graph.sessions.facts & Fact.HEALTHY != 0]] = True
    return mask

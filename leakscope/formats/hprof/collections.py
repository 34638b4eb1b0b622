"""Which classes of the JDK hold others for somebody, and how; subclasses are like them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from leakscope.kernels.hprof_edges import ALTERNATING, ARRAY, BINS, CHAIN, PLAIN_KEY, SET_VALUE, TREE

T = TypeVar("T")
_UTIL, _CONCURRENT = "java.util.", "java.util.concurrent."


@dataclass(frozen=True)
class Entry:
    """Names of an entry's fields, "" where it has none."""

    key: str
    value: str
    next: str = ""
    """Of trees: the left one."""
    inner: str = ""
    """The first entry of a bin that is a tree; of trees the right one."""
    weak: bool = False
    """Its key is a weak reference."""


SHAPES: dict[str, tuple[int, str]] = {
    _UTIL + "HashMap": (BINS, "table"),
    _UTIL + "Hashtable": (BINS, "table"),
    _UTIL + "WeakHashMap": (BINS, "table"),
    _CONCURRENT + "ConcurrentHashMap": (BINS, "table"),
    "java.lang.ThreadLocal$ThreadLocalMap": (BINS, "table"),
    _UTIL + "IdentityHashMap": (ALTERNATING, "table"),
    _UTIL + "ImmutableCollections$MapN": (ALTERNATING, "table"),
    _UTIL + "TreeMap": (TREE, "root"),
    _UTIL + "ArrayList": (ARRAY, "elementData"),
    _UTIL + "Vector": (ARRAY, "elementData"),
    _UTIL + "ArrayDeque": (ARRAY, "elements"),
    _UTIL + "PriorityQueue": (ARRAY, "queue"),
    _UTIL + "EnumMap": (ARRAY, "vals"),
    _UTIL + "Arrays$ArrayList": (ARRAY, "a"),
    _UTIL + "ImmutableCollections$ListN": (ARRAY, "elements"),
    _UTIL + "ImmutableCollections$SetN": (ARRAY, "elements"),
    _CONCURRENT + "CopyOnWriteArrayList": (ARRAY, "array"),
    _CONCURRENT + "ArrayBlockingQueue": (ARRAY, "items"),
    _CONCURRENT + "PriorityBlockingQueue": (ARRAY, "queue"),
    _CONCURRENT + "ScheduledThreadPoolExecutor$DelayedWorkQueue": (ARRAY, "queue"),
    _UTIL + "LinkedList": (CHAIN, "first"),
    _CONCURRENT + "LinkedBlockingQueue": (CHAIN, "head"),
    _CONCURRENT + "LinkedBlockingDeque": (CHAIN, "first"),
    _CONCURRENT + "ConcurrentLinkedQueue": (CHAIN, "head"),
    _CONCURRENT + "ConcurrentLinkedDeque": (CHAIN, "head"),
}
"""By class: the shape, and the field in which it begins."""

ENTRIES: dict[str, Entry] = {
    _UTIL + "HashMap$Node": Entry("key", "value", "next"),
    _UTIL + "HashMap$Entry": Entry("key", "value", "next"),
    _UTIL + "Hashtable$Entry": Entry("key", "value", "next"),
    _UTIL + "WeakHashMap$Entry": Entry("referent", "value", "next", weak=True),
    "java.lang.ThreadLocal$ThreadLocalMap$Entry": Entry("referent", "value", weak=True),
    _CONCURRENT + "ConcurrentHashMap$Node": Entry("key", "val", "next"),
    _CONCURRENT + "ConcurrentHashMap$TreeBin": Entry("", "", inner="first"),
    _UTIL + "TreeMap$Entry": Entry("key", "value", "left", "right"),
    _UTIL + "LinkedList$Node": Entry("", "item", "next"),
    _CONCURRENT + "LinkedBlockingQueue$Node": Entry("", "item", "next"),
    _CONCURRENT + "LinkedBlockingDeque$Node": Entry("", "item", "next"),
    _CONCURRENT + "ConcurrentLinkedQueue$Node": Entry("", "item", "next"),
    _CONCURRENT + "ConcurrentLinkedDeque$Node": Entry("", "item", "next"),
}

WRAPPERS: dict[str, str] = {
    _UTIL + "HashSet": "map",
    _UTIL + "TreeSet": "m",
    _UTIL + "Properties": "map",
    _UTIL + "Collections$SynchronizedMap": "m",
    _UTIL + "Collections$SynchronizedCollection": "c",
    _UTIL + "Collections$UnmodifiableMap": "m",
    _UTIL + "Collections$UnmodifiableCollection": "c",
    _UTIL + "Collections$SetFromMap": "m",
    _CONCURRENT + "CopyOnWriteArraySet": "al",
    _CONCURRENT + "ConcurrentSkipListSet": "m",
    _CONCURRENT + "ConcurrentHashMap$CollectionView": "map",
}
"""Fields of collections that are no more than another one: no step of their own."""

WORTH: dict[str, int] = {
    "java.lang.Object": SET_VALUE,
    "java.lang.Boolean": SET_VALUE,
    **dict.fromkeys(
        ("java.lang.String", "java.lang.Number", "java.lang.Character", "java.lang.Enum", "java.lang.Class"), PLAIN_KEY
    ),
}


def inherited(names: list[str], base: list[int], order: list[int], known: Mapping[str, T]) -> dict[int, T]:
    """By row of the types: what ``known`` says of the class or of the nearest it derives from.

    ``order``: rows, each after its base. Of ``java.lang.Object`` nothing is inherited.
    """
    found: dict[int, T] = {}
    for row in order:
        if names[row] in known:
            found[row] = known[names[row]]
        elif base[row] in found and names[base[row]] != "java.lang.Object":
            found[row] = found[base[row]]
    return found

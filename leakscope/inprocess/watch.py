"""Counts of this process's objects by class, round by round: the cheap look, a few milliseconds per 100,000 objects.

Names of classes are kept, never objects nor classes: a class that is held holds what its attributes do.
"""

from __future__ import annotations

import gc
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from leakscope.inprocess.classes import Kind, class_name, kind_of, origins


@dataclass(frozen=True)
class Limits:
    """What may stay alive of one round of work; more is a leak."""

    classes: tuple[str, ...] = ()
    """Globs of classes that count as sessions, besides those that rules or their names call so."""
    sessions: int = 0
    growth: int | None = None
    """Objects of the user's own classes; None: only sessions count."""

    def __post_init__(self) -> None:
        if any(not isinstance(each, str) or not each for each in self.classes):
            raise TypeError("classes are told as globs of their names, such as 'app.*Session'")
        for name, value in (("sessions", self.sessions), ("growth", self.growth)):
            if value is not None and (not isinstance(value, int) or value < 0):
                raise ValueError(f"{name} is how many objects may stay: 0 or more, not {value!r}")


class Watch:
    """What was alive at the end of each round; the first count is before all of them and blames nothing."""

    def __init__(self) -> None:
        self._addresses = array("Q")
        self._types = array("Q")
        self._type_names: dict[int, str] = {}
        self._counts: list[Counter[str]] = []
        self.count()

    def count(self) -> None:
        """The end of a round, after garbage is gone."""
        collect()
        objects = gc.get_objects()
        by_class = Counter(map(type, objects))
        if not self._counts:
            self._addresses = array("Q", map(id, objects))
            self._types = array("Q", map(id, map(type, objects)))
            self._type_names = {id(each): class_name(each) for each in by_class}
        del objects
        counts: Counter[str] = Counter()
        for each, number in by_class.items():
            counts[class_name(each)] += number
        self._counts.append(counts)

    @property
    def before(self) -> dict[int, str]:
        """What was alive at first: class's name by address, since addresses are used again."""
        return dict(zip(self._addresses, map(self._type_names.__getitem__, self._types), strict=True))

    def recount(self) -> None:
        """The last round again: what was in flight may have ended."""
        del self._counts[-1]
        self.count()

    def over(self, limits: Limits, rounds_in_one: int = 1) -> dict[str, int]:
        """Classes of which every round leaves more than ``limits`` allow, and how many each round leaves at least.

        ``rounds_in_one``: how many rounds of work lie between two counts.
        """
        grown = {name: more // rounds_in_one for name, more in self._grown().items() if more >= rounds_in_one}
        if not grown:
            return {}
        kinds = _kinds(grown, limits)
        found: dict[str, int] = {}
        for kind, most in ((Kind.SESSION, limits.sessions), (Kind.OWN, limits.growth)):
            of_kind = {name: more for name, more in grown.items() if kinds.get(name) == kind}
            if most is not None and sum(of_kind.values()) > most:
                found.update(of_kind)
        return found

    def _grown(self) -> dict[str, int]:
        """Classes of which every round left more than there were, and the fewest of any round."""
        first, last = self._counts[0], self._counts[-1]
        candidates = [name for name, number in last.items() if number > first[name]]
        rounds = list(zip(self._counts, self._counts[1:], strict=False))
        fewest = {name: min(after[name] - before[name] for before, after in rounds) for name in candidates}
        return {name: more for name, more in fewest.items() if more > 0}

    def new(self, names: Iterable[str]) -> dict[int, str]:
        """Addresses of the objects of these classes that were not there at first, and their classes.

        All of a class where one that went has left its address to another of it.
        """
        before, (first, last) = self.before, (self._counts[0], self._counts[-1])
        of_name = {id(each): name for name, found in _classes(names).items() for each in found}
        alive = {id(each): of_name[id(type(each))] for each in gc.get_objects() if id(type(each)) in of_name}
        new = {address: name for address, name in alive.items() if before.get(address) != name}
        count = Counter(new.values())
        mixed = {name for name in set(alive.values()) if count[name] < last[name] - first[name]}
        return {address: name for address, name in alive.items() if address in new or name in mixed}


def collect() -> None:
    """Frees garbage, and what its finalizers made: that is young, so that the second look costs nothing."""
    if gc.collect():
        gc.collect(1)


def _classes(names: Iterable[str]) -> dict[str, list[type]]:
    """The classes of these names that have instances now; two may share a name."""
    wanted = set(names)
    found: dict[str, list[type]] = {}
    for each in set(map(type, gc.get_objects())):
        name = class_name(each)
        if name in wanted:
            found.setdefault(name, []).append(each)
    return found


def _kinds(names: Iterable[str], limits: Limits) -> dict[str, Kind]:
    whose = origins()
    return {name: kind_of(found[0], limits.classes, whose) for name, found in _classes(names).items()}

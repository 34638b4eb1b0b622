"""Counts of this process's objects by class, round by round: the cheap look, a few milliseconds per 100,000 objects.

Names of classes are kept, never objects nor classes: a class that is held holds what its attributes do.
"""

from __future__ import annotations

import gc
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leakscope.inprocess.classes import Kind, class_name, kind_of, origins

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_MOST_COLLECTIONS = 4  # finalizers may leave garbage of their own


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
        self._before = array("Q")
        self._counts: list[Counter[str]] = []
        self.count()

    def count(self) -> None:
        """The end of a round, after garbage is gone."""
        collect()
        objects = gc.get_objects()
        if not self._counts:
            self._before = array("Q", map(id, objects))
        by_class = Counter(map(type, objects))
        del objects
        counts: Counter[str] = Counter()
        for each, number in by_class.items():
            counts[class_name(each)] += number
        self._counts.append(counts)

    @property
    def before(self) -> npt.NDArray[np.uint64]:
        """Addresses of what was alive at first."""
        import numpy

        return numpy.frombuffer(self._before, dtype=numpy.uint64)

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
        """Addresses of the objects of these classes that were not there at first, and their classes."""
        before = set(self._before)
        of_name = {id(each): name for name, found in _classes(names).items() for each in found}
        return {
            id(each): of_name[id(type(each))]
            for each in gc.get_objects()
            if id(type(each)) in of_name and id(each) not in before
        }


def collect() -> None:
    """Frees all garbage, that of finalizers too."""
    for _ in range(_MOST_COLLECTIONS):
        if not gc.collect():
            return


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

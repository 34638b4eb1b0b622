"""From numbers and datetimes in a foreign heap to epoch seconds; what cannot be right is said to be wrong.

A number without a unit is read in every way that makes sense. One plausible
reading is the answer; none is implausible, two that differ are ambiguous: an
age misread is worse than none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leakscope.graph.heap import Floats
from leakscope.graph.values import Value, Values
from leakscope.sessions.rules import Field

Bools = npt.NDArray[np.bool_]
TIMES = (Value.INT, Value.FLOAT, Value.AWARE, Value.NAIVE)
"""What may be a moment; anything else says nothing."""
SLACK_S = 1.0
EARLIEST_S = {"cpython": 1633305600.0}
"""By runtime: no process began before its interpreter was released, CPython 3.10.0 on 4 October 2021. Epoch seconds."""
_YEAR_2000_S = 946684800.0
AHEAD_S = 10 * 365 * 86400.0
"""How far in the future something may expire."""
LONGEST_TTL_S = 100 * 365 * 86400.0
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
MONOTONIC = ("monotonic", "loop", "perf")
"""On Linux event loops and ``perf_counter`` read the monotonic clock."""


@dataclass(frozen=True)
class Clock:
    """The process's clocks at the moment of the capture; None is unknown."""

    now: float | None
    """Epoch seconds."""
    started: float | None
    """Epoch seconds at which the process began."""
    monotonic: float | None
    """Seconds of its monotonic clock."""
    utc_offset: float | None
    """Seconds that its local time is ahead of UTC."""
    earliest: float = EARLIEST_S["cpython"]
    """Epoch seconds before which it cannot have begun, where ``started`` is unknown."""

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Clock:
        """From ``HeapGraph.facts``, which may come from a foreign file."""
        names = ("captured_at", "started_at", "monotonic_at", "utc_offset_s")
        now, started, monotonic, utc_offset = (_finite(facts.get(name)) for name in names)
        runtime = facts.get("runtime", "cpython")
        earliest = EARLIEST_S.get(runtime, _YEAR_2000_S) if isinstance(runtime, str) else _YEAR_2000_S
        return cls(now, started, monotonic, utc_offset, earliest)

    def times(self, values: Values, field: Field, ahead: float = 0.0) -> Times:
        """What ``values`` of ``field`` say; moments up to ``ahead`` seconds after the capture are plausible.

        Texts are none here: see ``iso.py``.
        """
        kind, number = values.kind, values.number
        found = Times.unknown(len(kind))
        found.implausible[:] = np.isin(kind, TIMES)
        self._settle(found, np.isin(kind, (Value.INT, Value.FLOAT)), self._readings(number, field), ahead)
        self._settle(found, kind == Value.AWARE, [number], ahead)
        naive = kind == Value.NAIVE
        if field.zone != "utc" and self.utc_offset is None:
            found.implausible[naive], found.ambiguous[naive] = False, True
        else:
            self._settle(found, naive, self._zones(number, field.zone), ahead)
        return found

    def _settle(self, found: Times, of_kind: Bools, readings: list[Floats], ahead: float) -> None:
        """Enter the one plausible reading of the entries ``of_kind``."""
        if self.now is None or not of_kind.any():
            return
        earliest = self.earliest if self.started is None else self.started - SLACK_S
        latest = self.now + SLACK_S + ahead
        lowest, highest = np.full(len(of_kind), np.inf), np.full(len(of_kind), -np.inf)
        for reading in readings:
            plausible = (reading >= earliest) & (reading <= latest)
            lowest = np.where(plausible, np.minimum(lowest, reading), lowest)
            highest = np.where(plausible, np.maximum(highest, reading), highest)
        some = of_kind & (lowest <= highest)
        one = some & (highest - lowest <= SLACK_S)
        found.epoch[one] = lowest[one]
        found.implausible[some] = False
        found.ambiguous[some & ~one] = True

    def _readings(self, number: Floats, field: Field) -> list[Floats]:
        """What bare numbers may mean, as epoch seconds."""
        readings = []
        if field.clock in ("auto", "epoch"):
            readings += [number * scale for scale in _scales(field.unit, SECONDS)]
        if field.clock in ("auto", *MONOTONIC) and self.now is not None and self.monotonic is not None:
            usual = ("s",) if field.clock == "auto" else SECONDS
            readings += [self.now - self.monotonic + number * scale for scale in _scales(field.unit, usual)]
        return readings

    def _zones(self, number: Floats, zone: str) -> list[Floats]:
        """What naive datetimes may mean."""
        local = number - (self.utc_offset or 0.0)
        return {"utc": [number], "local": [local]}.get(zone, [number, local])

    def ago(self, epoch: Floats) -> Floats:
        """Seconds between ``epoch`` and the capture."""
        return (np.nan if self.now is None else self.now) - epoch


@dataclass(frozen=True)
class Times:
    """Parallel arrays; where neither mask is set and ``epoch`` is NaN, nothing was told."""

    epoch: Floats
    implausible: Bools
    ambiguous: Bools

    @classmethod
    def unknown(cls, count: int) -> Times:
        """Nothing is told of any."""
        return cls(np.full(count, np.nan), np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_))


def seconds(values: Values, field: Field) -> Floats:
    """Lengths of time: durations and numbers, in the field's unit or seconds; NaN for what is none."""
    scale = SECONDS.get(field.unit, 1.0)
    number = np.where(np.isin(values.kind, (Value.INT, Value.FLOAT)), values.number * scale, np.nan)
    number = np.where(values.kind == Value.DURATION, values.number, number)
    return np.where((number > 0) & (number <= LONGEST_TTL_S), number, np.nan)


def _scales(unit: str, usual: Iterable[str]) -> list[float]:
    return [SECONDS[each] for each in (usual if unit == "auto" else (unit,))]


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e300:
        return None
    return float(value)

"""Compares the suspects that were found with what a program says of itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from leakscope.findings.suspects import Suspect
from tests.suspects.programs import UNITS, Expected

PACE_TOLERANCE = 0.2


@dataclass(frozen=True)
class Judgement:
    """How well a leak was found; ranks count from 1."""

    class_rank: int | None
    """Of the first suspect that names the class; None: no suspect does."""
    rank: int | None
    """Of the first suspect that names both the class and the holder."""
    right_pace: bool
    """Whether that suspect grows by what one round keeps, give or take ``PACE_TOLERANCE`` of it."""


def judge(suspects: Sequence[Suspect], expected: Expected) -> Judgement:
    """What became of the one leak of a program after rounds of ``UNITS`` units."""
    right_class = [number for number, one in enumerate(suspects, 1) if names_class(one, expected)]
    right = [number for number in right_class if names_holder(suspects[number - 1], expected)]
    if not right:
        return Judgement(right_class[0] if right_class else None, None, False)
    return Judgement(right_class[0], right[0], _has_pace(suspects[right[0] - 1], expected.per_unit))


def names_class(suspect: Suspect, expected: Expected) -> bool:
    """Whether it names what the program's author would."""
    return any(fnmatchcase(suspect.class_, glob) for glob in expected.classes)


def names_holder(suspect: Suspect, expected: Expected) -> bool:
    """Whether its holder, or its chain, shows what really holds the leaked objects."""
    return any(re.search(expected.holder, text) for text in (suspect.holder, suspect.chain))


def _has_pace(suspect: Suspect, per_unit: tuple[float, float]) -> bool:
    least, most = per_unit
    found = suspect.growth_per_step
    return found is not None and least * UNITS * (1 - PACE_TOLERANCE) <= found <= most * UNITS * (1 + PACE_TOLERANCE)

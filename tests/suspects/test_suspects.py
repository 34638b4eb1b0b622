"""Sound programs raise no suspect, leaking ones name the class and who holds it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.interpreters import one_per_version
from tests.suspects.judge import judge
from tests.suspects.programs import UNITS, Program, programs
from tests.suspects.verdicts import Verdict

SOUND, LEAKS = programs("sound"), programs("leaks")


def chosen(found: list[Program], has_pace: bool = False) -> pytest.MarkDecorator:
    """Every program under one interpreter, which take turns; ``python -m tests.suspects.table`` runs all under any.

    With ``has_pace`` only those whose class is not a built-in one, which tells no pace.
    """
    interpreters = one_per_version()
    pairs = [(program, interpreters[place % len(interpreters)]) for place, program in enumerate(found)]
    if has_pace:
        pairs = [(program, one) for program, one in pairs if program.expected and "." in program.expected.classes[0]]
    names = [f"{one.name}-{program.path.stem}" for program, one in pairs]
    return pytest.mark.parametrize("verdict", pairs, ids=names, indirect=True, scope="module")


@chosen(SOUND)
def test_a_sound_program_raises_no_suspect(verdict: Verdict) -> None:
    """Whether one looks once, twice, three times or five times, early or late."""
    assert len(verdict.suspects) == 7
    assert not {span: suspects for span, suspects in verdict.suspects.items() if suspects}


@chosen(LEAKS)
def test_a_leak_is_named_with_its_holder(verdict: Verdict) -> None:
    """Three snapshots after equal rounds: class, holder and pace are right, and the one leak is one suspect."""
    assert verdict.program.expected
    (suspects,) = verdict.suspects.values()
    found = judge(suspects, verdict.program.expected)
    assert found.rank == 1, suspects
    assert found.right_pace, suspects
    assert len(suspects) == 1, suspects


@chosen(LEAKS, has_pace=True)
def test_a_leaking_program_leaks_at_its_pace(verdict: Verdict) -> None:
    """What is judged is true of the program itself: so many more objects after each round."""
    assert verdict.program.expected
    least, most = verdict.program.expected.per_unit
    counts = verdict.counts
    assert all(least * UNITS <= after - before <= most * UNITS for before, after in pairwise(counts)), counts

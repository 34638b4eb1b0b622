"""Sound programs raise no suspect, leaking ones name the class and who holds it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.interpreters import Interpreter, one_per_version
from tests.suspects.judge import judge
from tests.suspects.programs import UNITS, Program, programs
from tests.suspects.verdicts import Verdicts

ALL_UNDER = (3, 11)
SOUND, LEAKS = programs("sound"), programs("leaks")


def chosen(found: list[Program]) -> pytest.MarkDecorator:
    """Every program under one interpreter; under each of the others another third of them."""
    others = [one for one in one_per_version() if one.version[:2] != ALL_UNDER]
    pairs = [(one, program) for one in one_per_version() if one.version[:2] == ALL_UNDER for program in found]
    pairs += [(one, program) for part, one in enumerate(others) for program in found[part % 3 :: 3]]
    names = [f"{one.name}-{program.path.stem}" for one, program in pairs]
    return pytest.mark.parametrize(("interpreter", "program"), pairs, ids=names)


@chosen(SOUND)
def test_a_sound_program_raises_no_suspect(verdicts: Verdicts, interpreter: Interpreter, program: Program) -> None:
    """Whether one looks once, twice, three times or five times, early or late."""
    found = verdicts.of(program, interpreter).suspects
    assert len(found) == 7
    assert not {span: suspects for span, suspects in found.items() if suspects}


@chosen(LEAKS)
def test_a_leak_is_named_with_its_holder(verdicts: Verdicts, interpreter: Interpreter, program: Program) -> None:
    """Three snapshots after equal rounds: class, holder and pace are right, and the one leak is one suspect."""
    assert program.expected
    (suspects,) = verdicts.of(program, interpreter).suspects.values()
    found = judge(suspects, program.expected)
    assert found.rank == 1, suspects
    assert found.right_pace, suspects
    assert len(suspects) == 1, suspects


@chosen([program for program in LEAKS if program.expected and "." in program.expected.classes[0]])
def test_a_leaking_program_leaks_at_its_pace(verdicts: Verdicts, interpreter: Interpreter, program: Program) -> None:
    """What is judged is true of the program itself: so many more objects after each round."""
    assert program.expected
    counts = verdicts.of(program, interpreter).counts
    least, most = program.expected.per_unit
    assert all(least * UNITS <= after - before <= most * UNITS for before, after in pairwise(counts)), counts

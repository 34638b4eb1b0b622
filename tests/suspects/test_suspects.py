"""Sound programs raise no suspect, leaking ones name the class and who holds it."""

from __future__ import annotations

import pytest
from leakscope.analysis.suspects import find_suspects

from tests.interpreters import Interpreter, one_per_version
from tests.suspects.judge import MOST_SUSPECTS, judge
from tests.suspects.programs import Program, programs, snapshots
from tests.suspects.series import SOUND_SNAPSHOTS, prefixes

ALL_UNDER = (3, 11)
LEAK_SNAPSHOTS = 3


def chosen(folder: str) -> list[pytest.param]:
    """Every program under one interpreter; under each of the others another third of them."""
    found = programs(folder)
    others = [one for one in one_per_version() if one.version[:2] != ALL_UNDER]
    all_of = [(one, program) for one in one_per_version() if one.version[:2] == ALL_UNDER for program in found]
    thirds = [(one, program) for part, one in enumerate(others) for program in found[part % 3 :: 3]]
    return [pytest.param(*pair, id=f"{pair[0].name}-{pair[1].path.stem}") for pair in [*all_of, *thirds]]


@pytest.mark.parametrize(("interpreter", "program"), chosen("sound"))
def test_a_sound_program_raises_no_suspect(interpreter: Interpreter, program: Program) -> None:
    """Whether one looks once, twice, three times or five times, early or late."""
    graphs = snapshots(program.python(interpreter), program, SOUND_SNAPSHOTS)
    for name, part in prefixes(graphs):
        assert not find_suspects(part).suspects, name


@pytest.mark.parametrize(("interpreter", "program"), chosen("leaks"))
def test_a_leak_is_named_with_its_holder(interpreter: Interpreter, program: Program) -> None:
    """Three snapshots after equal rounds: class, holder and pace are right, and there are few suspects."""
    assert program.expected
    graphs = snapshots(program.python(interpreter), program, LEAK_SNAPSHOTS)
    suspects = find_suspects(graphs).suspects
    assert len(suspects) <= MOST_SUSPECTS
    found = judge(suspects, program.expected)
    assert found.rank == 1, suspects
    assert found.right_pace, suspects

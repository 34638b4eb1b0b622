"""What the programs promise holds, and the judge is not easily pleased."""

from __future__ import annotations

import dataclasses

import pytest

from leakscope.findings.suspects import Suspect
from tests.suspects.judge import judge
from tests.suspects.programs import UNITS, Expected, programs

EXPECTED = Expected(("__main__.Session", "*.Task"), r"MANAGER\.sessions", (0.5, 0.5))


def suspect(class_: str, holder: str, growth: float | None = UNITS / 2) -> Suspect:
    """One that was found, of which only what is judged matters."""
    values = {field.name: None for field in dataclasses.fields(Suspect)}
    return Suspect(**{**values, "class_": class_, "holder": holder, "chain": "", "growth_per_step": growth})


def test_there_are_enough_of_each_kind() -> None:
    assert len(programs("sound")) >= 15
    assert len(programs("leaks")) >= 16


@pytest.mark.parametrize("program", programs("leaks"), ids=lambda program: program.name)
def test_what_a_leak_expects_can_be_missed(program) -> None:
    """Neither a glob that every class matches, nor a holder that every text does."""
    assert not judge([suspect("another.Class", "the module that is somewhere else")], program.expected).class_rank
    honest = suspect(program.expected.classes[0], "somewhere.ELSE")
    assert judge([honest], program.expected).rank is None


def test_class_holder_and_pace_are_told_apart() -> None:
    wrong_class = suspect("__main__.Context", "__main__.MANAGER.sessions")
    wrong_holder = suspect("__main__.Session", "__main__.CACHE")
    right = suspect("__main__.Session", "__main__.MANAGER.sessions")
    too_fast = dataclasses.replace(right, growth_per_step=UNITS)
    found = judge([wrong_class, wrong_holder, right], EXPECTED)
    assert (found.class_rank, found.rank, found.right_pace) == (2, 3, True)
    assert judge([wrong_class], EXPECTED).class_rank is None
    assert judge([too_fast], EXPECTED).right_pace is False
    assert judge([], EXPECTED).rank is None

"""The gate fails ten leaking services for the right reason and passes ten sound ones. More often: make gate-soak."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gate.services import judged, outcome, services
from tests.interpreters import installed
from tests.suspects.programs import Expected, Program

VERSION = (3, 11)
SERVICES = services()
EXPECTED = Expected(("app.Session", "*.Task"), r"app\.SESSIONS", (1, 1))
LEAK = {
    "class": "app.Session",
    "message": "app.Session grows by 40 per round, held by app.SESSIONS",
    "chain": "app.SESSIONS[<int>] -> app.Session",
    "evidence": ["grew in each of 4 rounds"],
}


@pytest.mark.parametrize("service", SERVICES, ids=[service.name for service in SERVICES])
def test_leaks_fail_with_their_holder_and_sound_services_pass(service: Program) -> None:
    interpreter = next(one for one in installed() if one.version[:2] == VERSION)
    found = judged(service, interpreter)
    assert found.right, found.said
    assert found.holder_right, found.said


def test_ten_of_each() -> None:
    assert sum(service.expected is not None for service in SERVICES) == 10
    assert len({service.name for service in SERVICES}) == 20


@pytest.mark.parametrize(
    ("leaks", "right", "holder_right"),
    [
        ([], False, False),
        ([LEAK], True, True),
        ([LEAK, LEAK], True, True),
        ([{**LEAK, "message": "app.Session grows by 40 per round", "chain": "?"}], False, False),
        ([{**LEAK, "class": "dict"}], False, False),
        ([LEAK, {**LEAK, "class": "dict"}], False, True),
    ],
)
def test_the_judge_is_not_easily_pleased(leaks: list[dict[str, Any]], right: bool, holder_right: bool) -> None:
    document = {"verdict": "fail" if leaks else "pass", "violations": leaks}
    found = outcome(document, EXPECTED)
    assert (found.right, found.holder_right) == (right, holder_right)
    assert outcome(document, None).right is not bool(leaks)

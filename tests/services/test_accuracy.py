"""The accuracy suite in short: each service's sound form and one leak of each; ``make accuracy`` judges all."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from fixtures.services.expected import LEAKS, SOUND, Leak, Sound
from tests.services.accuracy import Judged, judge_leak, judge_sound, table, total

ROUNDS = 2
"""And one to warm up: three snapshots, the fewest from which growth is told."""
OF_EACH = ("glm-static-cache", "ziti-not-removed", "dify-local-proxy", "cluster-lock")


def test_every_leak_is_expected_once() -> None:
    assert Counter(leak.service for leak in LEAKS) == {"autoglm": 9, "openziti": 2, "dify_api": 7, "dify_cluster": 4}
    assert len({leak.id for leak in LEAKS}) == len(LEAKS)
    assert {sound.service for sound in SOUND} == {leak.service for leak in LEAKS}


def test_leaks_with_the_same_holder_are_left_differently() -> None:
    twins = {(leak.id, leak.twin): leak for leak in LEAKS if leak.twin}
    for (one, other), leak in twins.items():
        twin = twins[other, one]
        assert leak.held == twin.held
        assert leak.left != twin.left


def test_a_holder_names_more_than_the_class_that_it_holds() -> None:
    for leak in LEAKS:
        assert not re.search(leak.held.holder, f"somebody.SOMETHING[0] -> {leak.held.class_}")


@pytest.mark.parametrize("leak", [leak for leak in LEAKS if leak.id in OF_EACH], ids=lambda leak: leak.id)
def test_a_leak_is_found_and_explained(leak: Leak, tmp_path: Path) -> None:
    judged = judge_leak(leak, ROUNDS, tmp_path)
    assert judged.wrong == []
    assert (judged.rank, judged.chain, judged.count, judged.state, judged.gate) == (1, True, True, True, "fail")


@pytest.mark.parametrize("sound", SOUND, ids=lambda sound: sound.service)
def test_a_sound_service_is_not_suspected(sound: Sound, tmp_path: Path) -> None:
    judged = judge_sound(sound, ROUNDS, tmp_path)
    assert judged.wrong == []
    assert judged.gate == "pass"


def test_a_sound_service_is_not_mistaken_for_a_leaking_one(tmp_path: Path) -> None:
    """What the suite itself is worth: a leak that is not there fails every one of its questions."""
    leak = next(leak for leak in LEAKS if leak.id == "ziti-not-removed")
    judged = judge_leak(leak, ROUNDS, tmp_path, leaking=False)
    assert judged.rank is None
    assert (judged.chain, judged.count, judged.state, judged.gate) == (False, False, False, "pass")


def test_the_table_says_what_is_wrong() -> None:
    rows = [
        Judged("a", "leak", rank=1, chain=True, count=True, state=True, gate="fail", pause_ms=1.25),
        Judged("b", "leak", wrong=["b does not start"]),
        Judged("c", "sound", gate="pass"),
        Judged("c", "under load", gate="fail", wrong=["suspect: 7 x d"]),
    ]
    assert table(rows).splitlines()[2:] == [
        "| a | 1 | right | right | right | fail | 1.2 ms |",
        "| b | not found | WRONG | WRONG | WRONG | ? | 0.0 ms |",
        "| c, sound | none | | | | pass | 0.0 ms |",
        "| c, under load | SUSPECTED | | | | fail | 0.0 ms |",
    ]
    assert total(rows) == "1/2 leaks, 1/1 sound services, 0/1 sound services under load"

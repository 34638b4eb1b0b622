"""The accuracy suite in short: each service's sound form and one leak of each; ``make accuracy`` judges all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from fixtures.services.expected import LEAKS, SOUND
from tests.services.accuracy import Judged, judge_leak, judge_sound, table, total
from tests.services.worked import GROUPS, python_of

ROUNDS = 2
"""And one to warm up: three snapshots, the fewest from which growth is told."""
AT_ONCE = 3
"""Judgements: while one waits until what ended is gone, another computes."""
OF_EACH = ("glm-static-cache", "ziti-not-removed", "dify-local-proxy", "cluster-lock")
NOT_LEAKING = "ziti-not-removed"
_BY_ID = {leak.id: leak for leak in LEAKS}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Judged]]:
    """The judgement on ``sound <service>``, ``leaking <id>`` or ``not leaking <id>``."""
    jobs: dict[str, partial[Judged]] = {f"leaking {id}": partial(judge_leak, _BY_ID[id]) for id in OF_EACH}
    jobs |= {f"sound {sound.service}": partial(judge_sound, sound) for sound in SOUND}
    jobs[f"not leaking {NOT_LEAKING}"] = partial(judge_leak, _BY_ID[NOT_LEAKING], leaking=False)
    for service in GROUPS:
        python_of(service)  # made here if it is not there yet: two threads must not make the same one
    with ThreadPoolExecutor(AT_ONCE) as pool:
        folders = (tmp_path_factory.mktemp("judged") for _ in jobs)
        made = {
            name: pool.submit(job, rounds=ROUNDS, folder=folder)
            for (name, job), folder in zip(jobs.items(), folders, strict=True)
        }
        yield lambda name: made[name].result()
        pool.shutdown(cancel_futures=True)  # where only some of the tests were asked for


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


@pytest.mark.parametrize("id", OF_EACH)
def test_a_leak_is_found_and_explained(id: str, judged: Callable[[str], Judged]) -> None:
    found = judged(f"leaking {id}")
    assert found.wrong == []
    assert (found.rank, found.chain, found.count, found.state, found.gate) == (1, True, True, True, "fail")


@pytest.mark.parametrize("service", [sound.service for sound in SOUND])
def test_a_sound_service_is_not_suspected(service: str, judged: Callable[[str], Judged]) -> None:
    found = judged(f"sound {service}")
    assert found.wrong == []
    assert found.gate == "pass"


def test_a_sound_service_is_not_mistaken_for_a_leaking_one(judged: Callable[[str], Judged]) -> None:
    """What the suite itself is worth: a leak that is not there fails every one of its questions."""
    found = judged(f"not leaking {NOT_LEAKING}")
    assert found.rank is None
    assert (found.chain, found.count, found.state, found.gate) == (False, False, False, "pass")


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

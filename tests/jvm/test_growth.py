"""What grows in a JVM from look to look, although each look has its collector move what it keeps."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.commands import leakscope
from leakscope.graph.facts import one_process
from tests.cache import run

ROUNDS = 4
Looks = Callable[..., list[Path]]


@pytest.fixture
def looks(shop: Path, tmp_path: Path) -> Iterator[Looks]:
    """Snapshots of one ``Shop``, each after the same commands."""
    words = ["java", "-Xmx64m", "-XX:TieredStopAtLevel=1", "-cp", shop, "Shop"]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def taken(*commands: str, by_hand: bool = False) -> list[Path]:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        paths = [tmp_path / f"{number}.{'hprof' if by_hand else 'leakscope'}" for number in range(ROUNDS)]
        for path in paths:
            for each in commands:
                process.stdin.write(f"{each}\n")
                process.stdin.flush()
                assert process.stdout.readline().startswith("done")
            if by_hand:
                run("jcmd", str(process.pid), "GC.heap_dump", path)
            else:
                done = leakscope("snapshot", process.pid, "-o", path)
                assert done.returncode == 0, done.stderr
        return paths

    try:
        yield taken
    finally:
        process.kill()
        process.communicate()


def asked(*arguments: object, code: int = 0) -> dict[str, Any]:
    done = leakscope(*arguments, "--json")
    assert done.returncode == code, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_growth_is_exact_and_each_holder_is_named(looks: Looks) -> None:
    paths = looks("hold 40", "listen 30", "remember 25", "work 300")
    found = asked("suspects", *paths, "--limit", 9)["suspects"]
    named = {each["holder"]: (each["class"], each["count"], each["growth_per_step"]) for each in found}
    assert named["Shop.BY_ID"] == ("Shop$Session", 160, 40)
    assert named["Shop.LISTENERS"] == ("Shop$Session", 120, 30)
    assert named["Shop.registry.open"] == ("Shop$Session", 100, 25)
    assert named["Shop.SEEN"] == ("Shop$Session", 100, 25)
    assert len(found) == 5, named
    assert any("threadLocals" in each["chain"] for each in found)
    assert asked("gate", *paths, "--guessed", code=1)["verdict"] == "fail"
    diff = asked("diff", paths[0], paths[-1])
    (row,) = [each for each in diff["classes"] if each["class"] == "Shop$Session"]
    assert (row["counts"], row["delta"]) == ([146, 581], 435)


def test_dumps_that_jcmd_wrote_are_known_to_be_of_one_process(looks: Looks) -> None:
    paths = looks("leak 20", by_hand=True)
    (first,) = asked("suspects", *paths)["suspects"]
    assert (first["holder"], first["count"], first["growth_per_step"]) == ("Shop.BY_ID", 80, 20)
    others = [{"runtime": "jvm", "salt": salt} for salt in (7, 7, 8)]
    assert one_process(others[:2])
    assert not one_process(others)


def test_work_that_is_over_is_none(looks: Looks) -> None:
    paths = looks("work 300")
    assert asked("suspects", *paths)["suspects"] == []
    assert asked("gate", *paths, "--guessed")["verdict"] == "pass"

"""``leakscope suspects`` on a live leaking program: files, a process, watching it; text and JSON; wrong uses."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fixtures.commands import ROOT, clean_environment, leakscope

TARGETS = ROOT / "fixtures" / "targets"
UNITS = 30


@contextmanager
def program(name: str) -> Iterator[subprocess.Popen[str]]:
    """A program of ``fixtures/targets``, ready for rounds; ended and waited for behind the block."""
    environment = {**clean_environment(), "PYTHONPATH": str(TARGETS)}
    with subprocess.Popen(
        [sys.executable, str(TARGETS / f"{name}.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as running:
        assert running.stdin and running.stdout
        assert json.loads(running.stdout.readline())["ready"]
        try:
            yield running
        finally:
            running.stdin.close()
            running.wait(30)


def work(running: subprocess.Popen[str], units: int = UNITS) -> None:
    assert running.stdin and running.stdout
    running.stdin.write(f"round {units}\n")
    running.stdin.flush()
    assert "round" in json.loads(running.stdout.readline())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three snapshots of the listener leak, a round before each."""
    folder = tmp_path_factory.mktemp("suspects")
    paths = [folder / f"{number}.leakscope" for number in range(3)]
    with program("leaks/listeners") as running:
        for path in paths:
            work(running)
            assert leakscope("snapshot", running.pid, "-o", path).returncode == 0
    return paths


def document(*arguments: object) -> dict[str, Any]:
    done = leakscope("suspects", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    loaded: dict[str, Any] = json.loads(done.stdout)
    schema = resources.files("leakscope.render").joinpath("schemas", "suspects.json").read_text()
    jsonschema.validate(loaded, json.loads(schema))
    return loaded


def test_three_files_name_class_holder_and_pace_whatever_their_order(files: list[Path]) -> None:
    told = document(*files)
    assert document(files[2], files[0], files[1])["suspects"] == told["suspects"]
    (suspect,) = told["suspects"]
    assert (suspect["rank"], suspect["class"], suspect["count"]) == (1, "__main__.ChatSession", 3 * UNITS)
    assert (suspect["kind"], suspect["growth_per_step"]) == ("listener list", UNITS)
    assert suspect["holder"].startswith("__main__.BUS.listeners")
    assert told["same_process"] and told["snapshots"] == 3
    assert "harmless" not in told and "harmless" in document(*files, "--harmless")


def test_text_says_who_how_one_knows_and_what_to_do(files: list[Path]) -> None:
    done = leakscope("suspects", *files)
    assert done.returncode == 0 and done.stderr == ""
    for said in ("listener list: 90 x __main__.ChatSession, 30 more each step", "held by", "BUS.listeners", "evidence"):
        assert said in done.stdout
    assert "90 of 90 are closed, and still held" in done.stdout
    assert "remedy" in done.stdout and "Unsubscribe" in done.stdout


def test_files_out_of_order_are_sorted_with_a_word(files: list[Path]) -> None:
    done = leakscope("suspects", files[2], files[0])
    assert done.returncode == 0
    assert "in the order of their capture" in done.stderr


def test_watching_a_process_takes_three_looks_and_says_so() -> None:
    with program("leaks/module_dict") as running:
        work(running)
        stop = threading.Event()

        def keep_working() -> None:
            while not stop.is_set():
                work(running, 5)
                stop.wait(0.02)

        worker = threading.Thread(target=keep_working)
        worker.start()
        try:
            done = leakscope("suspects", running.pid, "--watch", "2s", "--json")
        finally:
            stop.set()
            worker.join()
    assert done.returncode == 0, done.stderr
    assert f"takes 3 snapshots of {running.pid}, 2 s apart" in done.stderr
    told = json.loads(done.stdout)
    assert told["snapshots"] == 3
    assert [each["holder"] for each in told["suspects"]][:1] == ["__main__.SESSIONS"]


def test_one_look_at_a_process_that_does_nothing_wrong() -> None:
    with program("sound/websockets_healthy") as running:
        work(running)
        done = leakscope("suspects", running.pid)
    assert done.returncode == 0
    assert done.stdout.startswith("Nothing is suspected")
    assert "WebSocketConnection" in done.stdout  # a candidate: three hundred of them, and nobody knows of a bound
    assert "growth takes two or more" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["x.leakscope", "--watch", "30s"], "--watch goes with one PID"),
        (["1", "2", "--watch", "30s"], "--watch goes with one PID"),
        (["1", "2"], "only one of the sources can be a PID"),
        (["1", "--watch", "30"], "no duration"),
        (["x.leakscope", "--pause", "none"], "go with a PID"),
    ],
)
def test_wrong_uses_are_told(arguments: list[str], says: str) -> None:
    done = leakscope("suspects", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stdout == ""

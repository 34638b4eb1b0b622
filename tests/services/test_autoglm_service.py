"""The conversation server as a process: what it answers, how it starts, and that it ends with nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.services.load_http import Answer, request
from fixtures.services.running import ROOT, Service, load, running

BRIEF = ("--ttl", "1", "--guard-every", "0.1")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """One for all tests that only ask."""
    with running("autoglm") as one:
        yield one


def asked(service: Service, method: str, path: str, body: object = None, token: str = "", expect: int = 200) -> Answer:
    headers = {"Authorization": f"Bearer {token}", "X-Trace-Id": "trace-1"}
    return asyncio.run(request(service.port, method, path, body, headers, expect))


def opened(service: Service, user: str = "ann") -> tuple[str, str]:
    """Path and token of a new session."""
    answer = asked(service, "POST", "/sessions", {"user": user}, expect=201).json()
    return f"/sessions/{answer['id']}", answer["token"]


def test_a_token_opens_its_own_session_only_and_only_while_it_lives(service: Service) -> None:
    path, token = opened(service)
    other, _ = opened(service)
    assert asked(service, "POST", f"{path}/turns", {"text": "hello"}, token).body.endswith(b"word-4 ")
    for where in (other, f"{path}x", "/sessions/", "/elsewhere"):
        asked(service, "DELETE", where, token=token, expect=401)
    asked(service, "DELETE", path, token="", expect=401)
    asked(service, "DELETE", path, token="\u00e9", expect=401)
    assert asked(service, "DELETE", path, token=token).body.startswith(b"user: hello")
    asked(service, "DELETE", path, token=token, expect=401)


@pytest.mark.parametrize("body", [None, [], {"user": 1}, {"user": "x" * 10_001}, {}])
def test_what_is_no_user_is_refused(service: Service, body: object) -> None:
    assert b"user" in asked(service, "POST", "/sessions", body, expect=400).body or body is None


def test_everywhere_ends_all_sessions_of_one_user(service: Service) -> None:
    path, token = opened(service, "eve")
    others = [opened(service, "eve") for _ in range(3)]
    asked(service, "DELETE", f"{path}/everywhere", token=token, expect=202)
    service.stats_once(lambda stats: stats["closing"] == 0)
    for other, its_token in others:
        asked(service, "DELETE", other, token=its_token, expect=401)


def test_a_round_of_every_kind_leaves_nothing() -> None:
    with running("autoglm", *BRIEF) as service:
        done = load("autoglm", service.port, 24, "good,lost,raise,idle")
        assert (done.returncode, done.stderr) == (0, "")
        stats = service.stats_once(lambda stats: stats["destroyed"] == 24 and stats["in_memory"] == 0)
    assert (stats["opened"], stats["destroyed"]) == (24, 24)
    assert (stats["open"], stats["closing"], stats["in_memory"], stats["device_bytes"]) == (0, 0, 0, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_of_everything_ends_all_sessions_and_then_the_process(
    tmp_path: Path, number: signal.Signals
) -> None:
    audit = tmp_path / "audit.jsonl"
    with running("autoglm", "--audit", audit, "--bulk-per-second", "5") as service:
        path, token = opened(service)
        for _ in range(39):
            opened(service)
        asked(service, "POST", f"{path}/turns", {"text": "hello"}, token)
        asked(service, "DELETE", f"{path}/everywhere", token=token, expect=202)
        service.process.send_signal(number)
        _, said = service.process.communicate(timeout=60)
        assert (service.process.returncode, said) == (0, "")
    records = [json.loads(line) for line in audit.read_text().splitlines()]
    ended = [record["resource_id"] for record in records if record["action"] == "destroy"]
    assert len(ended) == len(set(ended)) == 40
    assert {record["outcome"] for record in records if record["action"] == "destroy"} == {"mass logout", "shutdown"}
    assert "trace-1" in {record["trace_id"] for record in records}


def test_a_leak_that_does_not_exist_is_one_line_and_code_2() -> None:
    ended(["--leak", "glm-nothing"], "autoglm: no leak 'glm-nothing'; there are: glm-static-cache, ")


def test_a_port_that_is_taken_is_one_line_and_code_2() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        ended(["--port", str(port)], f"autoglm: cannot listen on 127.0.0.1:{port}: ")
    ended(["--port", "70000"], "autoglm: cannot listen on 127.0.0.1:70000: ")


def ended(arguments: list[str], said: str) -> None:
    command = [sys.executable, "-m", "fixtures.services.autoglm", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing", "1"], "invalid choice"),
        (["autoglm", "1", "--mix", "good,bad"], "no session of kind 'bad'"),
        (["autoglm", "0"], "must be positive"),
    ],
)
def test_load_that_cannot_be_is_refused(arguments: list[str], said: str) -> None:
    command = [sys.executable, "-m", "fixtures.services.load", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert said in done.stderr


def test_load_says_when_an_answer_is_wrong_or_nobody_answers() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    refused = load("autoglm", port, 3, "good")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "ConnectionRefusedError" in refused.stderr
    with running("autoglm", "--ttl", "0") as service:
        wrong = load("autoglm", service.port, 3, "good")
    assert wrong.returncode == 1
    assert "401 where 200 was expected" in wrong.stderr

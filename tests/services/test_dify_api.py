"""The conversation API as a process: what it bounds, how it fails, how it ends, and that each leak leaks."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from fixtures.services import load_dify_api
from fixtures.services.load import play
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.sessions import session_report
from leakscope.analysis.suspects import find_suspects
from leakscope.cli.source import capture_graph
from leakscope.cpython import read_heap
from leakscope.graph.kinds import Node
from leakscope.sessions.load import load_rules
from leakscope.target.attach import capture
from tests.catalogue import servers
from tests.catalogue.environments import with_libraries
from tests.interpreters import one_per_version

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "fixtures" / "services" / "dify_api" / "leakscope.toml"
SESSION = "fixtures.services.dify_api.sessions.ConversationSession"
LEAKS = {
    "dify-pool": "raise", "dify-http-client": "good", "dify-local-proxy": "good", "dify-threads": "good",
    "dify-model-cache": "good", "dify-files": "good", "dify-teardown": "raise",
}  # fmt: skip
"""By id, what kind of session leaves itself behind."""
PATIENCE_S = 30.0
DAY_S = 86_400


def command(*arguments: object) -> list[str]:
    """How the service is started, with the libraries it needs."""
    interpreter = next(found for found in one_per_version() if found.version[:2] == (3, 11))
    return [str(with_libraries(interpreter, "dify")), "-m", "fixtures.services.dify_api", *map(str, arguments)]


@dataclass(frozen=True)
class Running:
    """A service that is ready; ``arbiter`` is gunicorn's first process, ``pid`` the worker."""

    arbiter: subprocess.Popen[str]
    pid: int
    port: int
    upstream: str
    folder: Path

    def ask(self, method: str, path: str, body: object = None, url: str = "") -> tuple[int, Any]:
        """Status and JSON of an answer."""
        request = urllib.request.Request((url or f"http://127.0.0.1:{self.port}") + path, method=method)
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode() if body is not None else None
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)

    def open(self) -> str:
        """The path of a new session."""
        return "/sessions/" + self.ask("POST", "/sessions", {"user": "ann"})[1]["id"]

    def say(self, session: str) -> int:
        """The status of an answer."""
        return self.ask("POST", f"{session}/turns", {"said": "hello"})[0]

    def stats(self, until: Callable[[dict[str, Any]], bool] = lambda stats: True) -> dict[str, Any]:
        """The first stats for which ``until`` holds, or the last when that takes too long."""
        limit = time.monotonic() + PATIENCE_S
        while not until(stats := self.ask("GET", "/stats")[1]) and time.monotonic() < limit:
            time.sleep(0.05)
        assert isinstance(stats, dict)
        return stats

    def load(self, sessions: int, *kinds: str) -> None:
        """One round, of which every answer must be as expected."""
        asyncio.run(play(self.port, [load_dify_api.KINDS[kind] for kind in kinds], sessions, 4, PATIENCE_S))

    def kept(self) -> int:
        """How many session objects live in its memory, as leakscope sees it."""
        graph = read_heap(capture(self.pid))
        if SESSION not in graph.types.name:
            return 0
        alive = (graph.flags & Node.GARBAGE) == 0
        return int(np.count_nonzero(alive & (graph.type == graph.types.name.index(SESSION))))


@contextmanager
def running(*arguments: object) -> Iterator[Running]:
    """Asked to end at the end of the block, if it has not yet."""
    arbiter = subprocess.Popen(
        command(*arguments), cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert arbiter.stdout
    with arbiter.stdout:
        try:
            ready = json.loads(arbiter.stdout.readline())
            yield Running(arbiter, ready["pid"], ready["port"], ready["upstream"], Path(ready["folder"]))
        finally:
            arbiter.terminate()
            arbiter.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def sound() -> Iterator[Running]:
    with running("--sweep-every", "0.1", "--work-timeout", "0.5", "--work-limit", "3", "--session-ttl", "5") as service:
        yield service


def test_every_kind_of_end_leaves_nothing(sound: Running) -> None:
    sound.load(24, "good", "lost", "raise")
    stats = sound.stats(lambda stats: stats["sessions"] == stats["background"] == 0)
    assert (stats["sessions"], stats["background"], stats["models"]) == (0, 0, 0)
    assert stats["pool"]["checked_out"] == 0
    assert stats["errors"] == 8
    assert [path.name for path in sound.folder.glob("*.txt")] == []
    assert sound.kept() == 0


def test_background_work_is_bounded_timed_and_cancelled(sound: Running) -> None:
    before = sound.stats()
    sessions = [sound.open() for _ in range(5)]
    assert [sound.say(session) for session in sessions] == [200] * 5
    at_work = sound.stats()
    assert at_work["background"] <= 3
    after = sound.stats(lambda stats: stats["background"] == 0)
    refused, timed_out = (after[name] - before[name] for name in ("refused", "timed_out"))
    # Five pieces of work for three places; on a busy machine the first has timed out before the last one comes.
    assert refused <= 2
    assert refused + timed_out == 5
    assert sound.say(sessions[0]) == 200
    assert sound.ask("DELETE", sessions[0])[0] == 200
    assert sound.stats(lambda stats: stats["background"] == 0)["timed_out"] == after["timed_out"]


def test_what_does_not_exist_or_makes_no_sense(sound: Running) -> None:
    assert sound.ask("DELETE", "/sessions/none")[0] == 404
    assert sound.say("/sessions/none") == 404
    assert sound.ask("POST", "/sessions", {})[0] == 400


def test_the_breaker_opens_is_seen_by_health_and_closes_again() -> None:
    with running("--breaker-failures", "3", "--breaker-pause", "1000") as service:
        session = service.open()
        assert service.ask("GET", "/health") == (200, {"well": True})
        service.ask("POST", "/mode", {"broken": True}, service.upstream)
        assert [service.say(session) for _ in range(4)] == [502, 502, 502, 503]
        assert service.ask("GET", "/health")[0] == 503
        assert service.stats()["breaker"] == "open"
        service.ask("POST", "/mode", {"broken": False}, service.upstream)
        assert service.ask("POST", "/clock", {"advance": 1001})[1]["breaker"] == "half-open"
        assert service.say(session) == 200
        assert service.stats()["breaker"] == "closed"


def test_at_night_the_log_is_rotated_and_the_pool_reconnects() -> None:
    with running() as service:
        service.say(service.open())
        before = service.stats()
        assert before["pool"]["checked_in"] == 1
        night = service.ask("POST", "/clock", {"advance": DAY_S})[1]
        assert night["night"] == before["night"] + 1
        assert night["pool"]["checked_in"] == 0
        assert (service.folder / "audit.1.log").exists()
        assert night["sessions"] == 0
        assert service.ask("GET", "/health")[0] == 200


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_keeps_each_session_and_only_its_kind(leak: str) -> None:
    with running("--leak", leak, "--pool-size", "20") as service:
        service.load(6, LEAKS[leak])
        assert service.stats(lambda stats: stats["sessions"] == 0)["sessions"] == 0
        assert service.kept() == 6


def test_a_pool_that_leaks_is_exhausted() -> None:
    with running("--leak", "dify-pool", "--pool-size", "2", "--pool-wait", "0.1") as service:
        service.load(2, "raise")
        assert service.stats()["pool"] == {"size": 2, "checked_out": 2, "checked_in": 0}
        assert service.say(service.open()) == 503
        assert service.ask("GET", "/health")[0] == 503


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The URL of a server, as SQLAlchemy takes it."""
    with servers.postgres() as url:
        yield url.replace("postgresql:", "postgresql+psycopg:")


def test_on_postgresql_connections_are_given_back_and_what_raises_is_undone(postgresql: str) -> None:
    with running("--database", postgresql, "--session-ttl", "2", "--sweep-every", "0.1") as service:
        service.load(12, "good", "lost", "raise")
        stats = service.stats(lambda stats: stats["sessions"] == stats["background"] == 0)
        assert (stats["sessions"], stats["pool"]["checked_out"], stats["errors"]) == (0, 0, 4)
        assert service.ask("GET", "/health") == (200, {"well": True})
        assert service.kept() == 0
    said = subprocess.run(
        ["psql", postgresql.replace("+psycopg", ""), "-Atc", "select count(*), count(distinct session_id) from turns"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert said.stdout.strip() == "8|8"


def test_on_postgresql_a_pool_that_leaks_is_exhausted(postgresql: str) -> None:
    with running("--database", postgresql, "--leak", "dify-pool", "--pool-size", "2", "--pool-wait", "0.1") as service:
        service.load(2, "raise")
        assert service.stats()["pool"] == {"size": 2, "checked_out": 2, "checked_in": 0}
        assert service.say(service.open()) == 503


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql+psycopg://postgres:secret@127.0.0.1:1/none", "connection refused"),
        ("postgresql+pg8000://127.0.0.1/none", "no module named 'pg8000'"),
        ("nonsense", "could not parse"),
    ],
)
def test_a_database_that_is_not_there(url: str, says: str) -> None:
    done = subprocess.run(command("--database", url), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "dify_api: the database cannot be used" in done.stderr
    assert says in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_files_and_sockets_of_the_leaks_stay_open() -> None:
    for leak in ("dify-files", "dify-http-client"):
        with running("--leak", leak) as service:
            service.load(1, "good")
            before = psutil.Process(service.pid).num_fds()
            service.load(10, "good")
            assert psutil.Process(service.pid).num_fds() >= before + 10


@pytest.mark.parametrize(
    ("leak", "costs"),
    [
        (
            "dify-pool",
            "the same container keeps 9 connections checked out of .*QueuePool, which has lent 9 of 9; it is",
        ),
        ("dify-files", "the same container keeps 9 files open"),
        ("dify-http-client", "the same container keeps 9 sockets open: 9 ESTABLISHED"),
        ("dify-model-cache", None),
    ],
)
def test_what_a_leak_keeps_open_is_evidence(leak: str, costs: str | None) -> None:
    with running("--leak", leak, "--pool-size", "9") as service:
        graphs = []
        for _ in range(3):
            service.load(3, LEAKS[leak])
            service.stats(lambda stats: stats["sessions"] == stats["background"] == 0)
            graphs.append(capture_graph(service.pid, rules=[RULES]))
    suspect = find_suspects(graphs, load_rules([RULES]), ended=True).suspects[0]
    said = [line for line in suspect.evidence if line.startswith("the same container keeps")]
    assert (suspect.class_, suspect.count) == (SESSION, 9)
    assert len(said) == (costs is not None)
    assert costs is None or re.match(costs, said[0])
    if leak == "dify-pool":
        (use,) = [pool for pool in session_report(HeapIndex(graphs[-1])).pools if pool.exhausted]
        assert (use.taken, use.idle, use.limit) == (9, 0, 9)
        assert use.held_by == {"sqlalchemy.orm.session.Session": 9}


@pytest.mark.parametrize("whom", ["arbiter", "worker"])
def test_sigterm_leaves_nothing_behind(whom: str) -> None:
    with running("--leak", "dify-threads") as service:
        service.load(4, "good", "lost")
        processes = [psutil.Process(service.arbiter.pid), *psutil.Process(service.arbiter.pid).children(recursive=True)]
        assert len(processes) >= 3
        os.kill(service.arbiter.pid if whom == "arbiter" else service.pid, signal.SIGTERM)
        assert service.arbiter.wait(PATIENCE_S) == 0
        _, left = psutil.wait_procs(processes, timeout=5)
        assert not left
        assert not service.folder.exists()


def refused(*arguments: object) -> str:
    """The one line that the service says when it does not start."""
    done = subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_an_unknown_leak_and_a_bad_number() -> None:
    line = refused("--leak", "dify-none")
    assert all(leak in line for leak in ("dify-none", *LEAKS))
    assert "--pool-size" in refused("--pool-size", "many")


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert str(taken.getsockname()[1]) in refused("--port", taken.getsockname()[1])


def test_the_leaks_on_the_command_line_are_those_there_are() -> None:
    program = "from fixtures.services.dify_api import __main__, leaks; print(*__main__.LEAKS); print(*leaks.LEAKS)"
    done = subprocess.run(
        [command()[0], "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == [" ".join(LEAKS)] * 2

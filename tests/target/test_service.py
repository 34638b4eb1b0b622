"""A service that the gate starts: waited for, found with all its processes, and stopped whatever it does."""

from __future__ import annotations

import http.server
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from leakscope.errors import AttachError, UsageError
from leakscope.target import service as room
from leakscope.target.service import run_step, started

PYTHON = sys.executable
SLEEP = f"{PYTHON} -c \"import time; print('listening', flush=True); time.sleep(60)\""


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def test_ready_by_its_output_and_gone_afterwards() -> None:
    with started(SLEEP, "list[e]ning", 20) as service:
        pids = service.readable()
        assert len(pids) == 1
        assert alive(pids) == pids
    assert alive(pids) == []


def test_ready_as_soon_as_a_python_runs() -> None:
    with started(f"{PYTHON} -c 'import time; time.sleep(60)'", None, 20) as service:
        assert len(service.readable()) == 1


@pytest.fixture
def url() -> Iterator[str]:
    """A server that refuses: an answer all the same."""

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(401)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/health"
        server.shutdown()
        thread.join()


def test_ready_by_a_url(url: str) -> None:
    with started(SLEEP, url, 20) as service:
        service.require_running("now")


def test_never_ready() -> None:
    with pytest.raises(AttachError, match=r"not ready after 0\.5 s") as caught, started(SLEEP, "never", 0.5):
        pass
    assert "--ready" in caught.value.help
    with pytest.raises(AttachError, match="not ready"), started(SLEEP, "http://127.0.0.1:9/", 0.5):
        pass


def test_a_regular_expression_that_is_none() -> None:
    with pytest.raises(UsageError, match="no regular expression"), started(SLEEP, "(", 5):
        pass


def test_a_service_that_ends_says_why() -> None:
    with (
        pytest.raises(AttachError, match=r"ended with exit code 3 before it was ready.*no config") as caught,
        started("echo no config; exit 3", "listening", 20),
    ):
        pass
    assert "foreground" in caught.value.help


def test_a_service_without_python() -> None:
    with (
        started("echo listening; exec sleep 60", "listening", 20) as service,
        pytest.raises(AttachError, match="no process of the service is one that leakscope can read"),
    ):
        service.readable()


def test_all_workers_are_found_and_stopped(tmp_path: Path) -> None:
    program = Path(__file__).parents[2] / "fixtures" / "targets" / "small_service.py"
    with started(f"{PYTHON} {program} {tmp_path / 'port'} workers", "listening", 20) as service:
        pids = service.readable()
        assert len(pids) == 3
    assert alive(pids) == []


def test_one_that_ignores_the_request_to_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "STOP_LIMIT_S", 0.3)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    with started(f'{PYTHON} -c "{deaf}"', "up", 20) as service:
        pids = service.readable()
    assert alive(pids) == []


def test_a_daemon_that_left_the_session_is_stopped_too(tmp_path: Path) -> None:
    written = tmp_path / "pid"
    daemon = (
        f"import os, time; os.setsid(); open('{written}', 'w').write(str(os.getpid())); "
        "print('up', flush=True); time.sleep(60)"
    )
    with started(f'{PYTHON} -c "{daemon}" & wait', "up", 20) as service:
        pids = service.readable()
        assert pids == [int(written.read_text())]
    assert alive(pids) == []


def test_it_is_stopped_when_the_block_fails() -> None:
    pids: list[int] = []
    with pytest.raises(RuntimeError), started(SLEEP, "listening", 20) as service:
        pids += service.readable()
        raise RuntimeError
    assert alive(pids) == []


def test_a_talkative_service_is_not_held_up() -> None:
    loud = "import sys; [sys.stdout.write('y' * 79 + chr(10)) for _ in range(200000)]"
    with started(
        f"{PYTHON} -c \"{loud}; print('listening', flush=True); import time; time.sleep(60)\"", "listening", 30
    ):
        pass


def test_a_step_sees_the_round_and_the_process(tmp_path: Path) -> None:
    run_step(
        f"echo $LEAKSCOPE_ROUND $LEAKSCOPE_PID > {tmp_path / 'seen'}",
        {"LEAKSCOPE_ROUND": "2", "LEAKSCOPE_PID": "42"},
        10,
    )
    assert (tmp_path / "seen").read_text() == "2 42\n"


def test_a_step_that_fails_says_how() -> None:
    with pytest.raises(UsageError, match=r"exit code 5: echo first.*it said: last words"):
        run_step("echo first; echo last words >&2; exit 5", {}, 10)


def test_a_step_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(UsageError, match=r"not ended after 0\.5 s"):
        run_step(f"sleep 60 & echo $! > {tmp_path / 'child'}; wait", {}, 0.5)
    assert time.monotonic() - began < 20
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while alive([child]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert alive([child]) == []


def test_a_step_may_leave_a_child_behind_and_it_is_ended(tmp_path: Path) -> None:
    run_step(f"sleep 60 & echo $! > {tmp_path / 'child'}", {}, 10)
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while alive([child]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert alive([child]) == []

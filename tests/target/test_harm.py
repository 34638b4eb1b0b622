"""Dozens of attaches to a server under load, half of them killed at random moments: nobody may notice."""

from __future__ import annotations

import http.client
import random
import sys
import threading
import time
from pathlib import Path

import pytest

from .support import ANY, PROGRAMS, assert_let_go, environment, running, wait_for


class Load:
    """Clients that ask the server without a break and check every answer."""

    def __init__(self, port: int, clients: int = 2) -> None:
        self._port = port
        self._stop = threading.Event()
        self.right = 0
        self.wrong: list[str] = []
        self._threads = [threading.Thread(target=self._run, args=(client,)) for client in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self, client: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        number = client
        while not self._stop.is_set():
            try:
                connection.request("GET", f"/{number}")
                answer = connection.getresponse()
                body = answer.read()
            except OSError as error:
                self.wrong.append(f"{number}: {error!r}")
                connection.close()
                continue
            if answer.status == 200 and body == str(number * 2).encode():
                self.right += 1
            else:
                self.wrong.append(f"{number}: {answer.status} {body!r}")
            number += 2
            time.sleep(0.002)
        connection.close()

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize(("pause", "attaches"), [("copy", 40), ("fork", 10)])
def test_attaches_half_of_them_killed_leave_no_trace(pause: str, attaches: int) -> None:
    chance = random.Random(20240229)
    killed = set(chance.sample(range(attaches), attaches // 2))
    with running(ANY, "parent.py", str(ANY), str(PROGRAMS / "server.py")) as parent:
        pid = parent.info["pid"]
        load = Load(parent.info["child"]["port"])
        completed = 0
        try:
            for number in range(attaches):
                before = load.right
                completed += attach_once(pid, pause, chance.uniform(0, 0.2) if number in killed else None)
                wait_for(lambda: not children(pid))
                assert_let_go(pid)
                wait_for(lambda before=before: load.right > before)
        finally:
            load.end()
        assert completed >= attaches // 2
        assert load.wrong == []
        assert parent.ask() == {"signals": [], "status": None}


def children(pid: int) -> list[str]:
    return [child for task in Path(f"/proc/{pid}/task").iterdir() for child in _children_of(task)]


def _children_of(task: Path) -> list[str]:
    try:
        return (task / "children").read_text().split()
    except OSError:
        return []  # the thread has answered and ended


def attach_once(pid: int, pause: str, kill_after_s: float | None) -> bool:
    """Runs leakscope in a process of its own; True if it was let finish and did."""
    with running(sys.executable, "capture_once.py", str(pid), pause, env=environment()) as leakscope:
        if kill_after_s is None:
            assert leakscope.hear()["pages"] > 150 << 8
            return True
        time.sleep(kill_after_s)
        leakscope.process.kill()
        leakscope.process.wait()
        return False

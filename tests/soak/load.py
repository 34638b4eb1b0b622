"""Clients that ask a service without a break, and check every answer."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from typing import BinaryIO

PATIENCE_S = 30.0
_PAUSE_S = 0.003


def answer(number: int) -> str:
    """What ``fixtures/soak/service.py`` answers."""
    return hashlib.sha256(b"%d" % (number * 2 + 1)).hexdigest()[:24]


class Load:
    """Threads with a connection each; ``end`` stops them."""

    def __init__(self, port: int, clients: int = 2) -> None:
        self._port = port
        self._stop = threading.Event()
        self._clients = clients
        self.right = 0
        self.wrong: list[str] = []
        self.longest_s = 0.0
        """Of all answers since ``forget``."""
        self._threads = [threading.Thread(target=self._run, args=(client,)) for client in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self, client: int) -> None:
        number = client
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE_S) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                lines = connection.makefile("rb")
                while not self._stop.is_set():
                    self._one(connection, lines, number)
                    number += self._clients
                    time.sleep(_PAUSE_S)
        except OSError as error:
            self.wrong.append(f"request {number}: {error!r}")

    def _one(self, connection: socket.socket, lines: BinaryIO, number: int) -> None:
        began = time.perf_counter()
        connection.sendall(b"%d\n" % number)
        said = lines.readline()
        self.longest_s = max(self.longest_s, time.perf_counter() - began)
        if said == answer(number).encode() + b"\n":
            self.right += 1
        else:
            self.wrong.append(f"request {number}: {said!r}")
            if not said:
                raise ConnectionError("the connection was closed")

    def wait_for_answers(self, more: int) -> bool:
        """Whether so many more right answers come in time."""
        wanted, until = self.right + more, time.monotonic() + PATIENCE_S
        while self.right < wanted and time.monotonic() < until:
            time.sleep(0.002)
        return self.right >= wanted

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

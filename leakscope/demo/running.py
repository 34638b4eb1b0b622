"""Starts the bundled service and its client, and stops both however the caller leaves."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from leakscope.demo.leaks import CLIENT, SERVICE

STOP_LIMIT_S = 5.0


@dataclass(frozen=True)
class Service:
    """A service that is ready to serve."""

    pid: int
    port: int


@contextmanager
def service() -> Iterator[Service]:
    """The leaking service, idle; it is gone when the block is left."""
    with _child(SERVICE) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield Service(ready["pid"], ready["port"])


@contextmanager
def clients(port: int) -> Iterator[None]:
    """Users that come and go as long as the block runs."""
    with _child(CLIENT, str(port)):
        yield


def believed_open(port: int) -> int:
    """How many sessions the service itself counts as open."""
    with socket.create_connection(("127.0.0.1", port), timeout=STOP_LIMIT_S) as connection:
        connection.sendall(b"STATS\n")
        with connection.makefile() as lines:
            return int(json.loads(lines.readline())["open"])


def serve_rounds(port: int, rounds: int) -> None:
    """``rounds`` sessions for each feature of the service, all over when this returns."""
    subprocess.run([sys.executable, str(CLIENT), str(port), str(rounds)], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def _child(program: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A program that ends by itself when its standard input does, so that it never outlives a killed parent.

    Its own process group keeps Ctrl-C for the parent, who then stops it in order.
    """
    process = subprocess.Popen(
        [sys.executable, str(program), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()

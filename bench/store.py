"""What ``leakscope store`` costs a Redis server of a million keys, and itself.

    python bench/store.py [--n 1000000] [--rate 25000]

Starts a server of its own and fills it. One run of leakscope is timed; a second is halted every other quarter of a
second while another client reads one key every two milliseconds, so that whatever else the machine does disturbs both
halves alike. Prints time, memory and that client's latency with and without leakscope as a Markdown table, and whether
the targets are reached; exit code 1 if not.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from io import BufferedReader
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from comparison import Comparison  # noqa: E402

from tests.catalogue.servers import redis  # noqa: E402

TURN_S = 0.25
EVERY_S = 0.002
BATCH = 10_000
MOST_S, MOST_MB, MOST_TIMES = 60, 64, 2.0
"""What a million keys may take, and by how much another client's p99 may grow."""


class Client:
    """Reads one key again and again, and keeps how long each answer took."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file: BufferedReader = self._socket.makefile("rb")

    def fill(self, keys: int) -> None:
        for begin in range(0, keys, BATCH):
            numbers = range(begin, min(begin + BATCH, keys))
            lines = [f"SET session:{number * 2654435761 % 2**64:032x} x EX 1800\r\n" for number in numbers]
            self._socket.sendall("".join(lines).encode())
            for _ in numbers:
                self._file.readline()

    def milliseconds(self, seconds: float) -> list[float]:
        """How long each answer took."""
        taken, end = [], time.perf_counter() + seconds
        while time.perf_counter() < end:
            time.sleep(EVERY_S)
            began = time.perf_counter()
            self._socket.sendall(b"GET session:none\r\n")
            self._file.readline()
            taken.append((time.perf_counter() - began) * 1000)
        return taken


def timed(command: list[str]) -> tuple[float, int]:
    """Seconds, and bytes at the peak. RuntimeError if it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with code {process.returncode}")
    return time.perf_counter() - began, usage.ru_maxrss * 1024


def in_turns(client: Client, command: list[str]) -> tuple[list[float], list[float]]:
    """The client's latencies while the command works, and while it is halted."""
    working: list[float] = []
    halted: list[float] = []
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    time.sleep(1)  # it starts
    while process.poll() is None:
        working += client.milliseconds(TURN_S)
        process.send_signal(signal.SIGSTOP)
        halted += client.milliseconds(TURN_S)
        process.send_signal(signal.SIGCONT)
    return working, halted


def p99(taken: list[float]) -> float:
    """In milliseconds."""
    return sorted(taken)[int(len(taken) * 0.99)]


def row(label: str, taken: list[float]) -> tuple[str, ...]:
    ordered = sorted(taken)
    at = [f"{ordered[int(len(ordered) * part)]:.2f}" for part in (0.5, 0.99, 0.999)]
    return (label, *at, f"{len(taken):,}")


def measured(keys: int, rate: int) -> Comparison:
    """One run for time and memory, one for the other client."""
    with redis() as url:
        client = Client(int(url.rpartition(":")[2].partition("/")[0]))
        client.fill(keys)
        command = [sys.executable, "-m", "leakscope", "store", url, "--match", "session:*", "--rate", str(rate)]
        seconds, peak = timed(command)
        working, halted = in_turns(client, command)
    ratio = p99(working) / p99(halted)
    return Comparison(
        title=f"leakscope store on {keys:,} keys: {seconds:.1f} s, {peak / 1e6:.1f} MB at the peak",
        rows=(
            ("another client", "p50 ms", "p99 ms", "p99.9 ms", "requests"),
            row("leakscope halted", halted),
            row("leakscope at work", working),
        ),
        targets=(
            (f"at most {MOST_S} s", seconds <= MOST_S),
            (f"at most {MOST_MB} MB", peak <= MOST_MB * 1e6),
            (f"the other client's p99 less than doubled: {ratio:.2f} times", ratio < MOST_TIMES),
        ),
    )


def main() -> int:
    """0 if the targets are reached."""
    parser = argparse.ArgumentParser(description="What leakscope store costs a Redis server and itself.")
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=25_000)
    options = parser.parse_args()
    found = measured(options.n, options.rate)
    sys.stdout.write(found.text())
    return 0 if found.reached else 1


if __name__ == "__main__":
    sys.exit(main())

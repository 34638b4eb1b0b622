"""Users of the bundled chat service: they come, use one feature each, and go.

    python -m leakscope.demo.client PORT [ROUNDS]

A round is one session for each feature of the service, all open at once and
all ended in order. Without ROUNDS it goes on until standard input ends, and a
few users stay all the time. Prints the number of rounds at the end.
"""

from __future__ import annotations

import os
import select
import socket
import sys

FEATURES = ("SAY hello", "PROFILE", "NOTIFY", "REMIND", "EXPORT", "SUMMARY")
"""The first leaks nothing."""
RESIDENTS = 3
PAUSE_S = 0.02
ANSWER_LIMIT_S = 30.0


class Connection:
    """One user's connection: a line out, a line back."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_LIMIT_S)
        self.lines = self.socket.makefile("rw", encoding="utf-8", newline="\n")

    def ask(self, line: str) -> str:
        self.lines.write(f"{line}\n")
        self.lines.flush()
        return self.lines.readline().rstrip("\n")

    def close(self) -> None:
        self.lines.close()
        self.socket.close()


def one_round(port: int, number: int) -> None:
    """A session per feature; each has had its answer to BYE when this returns."""
    users = [Connection(port) for _ in FEATURES]
    for feature, user in zip(FEATURES, users, strict=True):
        user.ask(f"HELLO user{number}")
        user.ask(feature)
        user.ask("SAY that was all")
    for user in users:
        user.ask("BYE")
        user.close()


def parent_is_gone(wait_s: float) -> bool:
    """Standard input has ended: nobody wants more rounds."""
    readable, _, _ = select.select([sys.stdin], [], [], wait_s)
    return bool(readable) and not os.read(sys.stdin.fileno(), 4096)


def main(arguments: list[str]) -> None:
    port = int(arguments[0])
    rounds = int(arguments[1]) if len(arguments) > 1 else None
    residents = [Connection(port) for _ in range(RESIDENTS if rounds is None else 0)]
    for resident in residents:
        resident.ask("HELLO resident")
    done = 0
    while done != rounds:
        one_round(port, done)
        done += 1
        if rounds is None and parent_is_gone(PAUSE_S):
            break
    for resident in residents:
        resident.close()
    sys.stdout.write(f"{done}\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (OSError, KeyboardInterrupt):
        sys.exit(1)

"""A client that may write, for the tests; a server that answers as a test says; and a process with sessions."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from fixtures.commands import clean_environment, leakscope

Words = list[bytes]
PROGRAM = """
import sys, time

class ChatSession:
    def __init__(self, id):
        self.session_id = id
        self.state = "open"
        self.created_at = time.time()

LOCAL = {id: ChatSession(id) for id in sys.argv[1:]}
print("ready", flush=True)
sys.stdin.read()
"""


def written(words: tuple[str | bytes, ...]) -> bytes:
    raw = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in raw)


def tell(url: str, *commands: tuple[str | bytes, ...]) -> list[bytes]:
    """Sends commands to a real server; the first line of each reply. AssertionError for an error."""
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port)) as connection:
        file, lines = connection.makefile("rb"), []
        for command in commands:
            connection.sendall(written(command))
            line = file.readline().rstrip()
            assert not line.startswith(b"-"), line
            if line.startswith(b"$") and line != b"$-1":
                line = file.read(int(line[1:]) + 2)[:-2]
            lines.append(line)
        return lines


@contextlib.contextmanager
def answering(answer: Callable[[Words], bytes]) -> Iterator[str]:
    """The URL of a server that answers each command with what ``answer`` makes of its words; empty: it hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, answer))
        thread.start()
        try:
            yield f"redis://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            thread.join(30)
            assert not thread.is_alive()


def _serve(listener: socket.socket, answer: Callable[[Words], bytes]) -> None:
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as file, contextlib.suppress(ConnectionError):
        while head := file.readline():
            words = []
            for _ in range(int(head[1:])):
                words.append(file.read(int(file.readline()[1:]) + 2)[:-2])
            reply = answer(words)
            if not reply:
                return
            connection.sendall(reply)


def listing(*names: bytes, cursor: bytes = b"0") -> bytes:
    """A reply to SCAN."""
    keys = b"".join(b"$%d\r\n%b\r\n" % (len(name), name) for name in names)
    return b"*2\r\n$%d\r\n%b\r\n*%d\r\n" % (len(cursor), cursor, len(names)) + keys


def plain(words: Words) -> bytes:
    """What a server says of a healthy key."""
    return {
        b"INFO": b"$0\r\n\r\n",
        b"DBSIZE": b":1\r\n",
        b"TTL": b":60\r\n",
        b"TYPE": b"+hash\r\n",
        b"OBJECT": b":0\r\n",
        b"MEMORY": b":72\r\n",
    }[words[0]]


def snapshot_of(ids: list[str], path: Path) -> Path:
    """A snapshot of a process that has sessions with these ids."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *ids],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    ) as process:
        assert process.stdin and process.stdout
        try:
            assert process.stdout.readline() == "ready\n"
            done = leakscope("snapshot", process.pid, "-o", path)
            assert done.returncode == 0, done.stderr
        finally:
            process.stdin.close()
            process.wait(30)
    return path

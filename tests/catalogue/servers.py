"""Real database servers for the targets, each in a temporary folder and on a loopback port; ended by their own id.

They come from the system's packages, see ``.ci/run``; RuntimeError says which is missing.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_SECONDS = 60.0
_DEBIAN = Path("/usr/lib/postgresql")
_USER = "postgres"


class _NotServingError(Exception):
    """A server did not answer in time."""


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty PostgreSQL, which refuses to run as root and so runs as the package's user."""
    binaries = _postgres_binaries()
    user = _USER if os.geteuid() == 0 else None
    port = free_port()
    with _folder(user) as folder:
        making = [binaries / "initdb", "-D", folder / "data", "-U", _USER, "-A", "trust", "-N", "-E", "UTF8"]
        done = subprocess.run(making, user=user, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{done.stdout}\n{done.stderr}")
        serving = [binaries / "postgres", "-D", folder / "data", "-p", str(port), "-h", "127.0.0.1", "-k", "", "-F"]
        with _serving(serving, folder, user):
            _wait_until(lambda: _is_ready(binaries, port))
            yield f"postgresql://{_USER}@127.0.0.1:{port}/postgres"


@contextlib.contextmanager
def redis(*options: str) -> Iterator[str]:
    """The URL of an empty Redis that writes nothing; ``options`` such as ``--cluster-enabled yes`` are added."""
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError("redis-server is missing: apt-get install redis-server")
    port = free_port()
    with _folder(None) as folder:
        serving = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder, *options]
        with _serving(serving, folder, None):
            _wait_until(lambda: _pongs(port))
            yield f"redis://127.0.0.1:{port}/0"


def _postgres_binaries() -> Path:
    """The folder of ``initdb`` and ``postgres`` of the newest version."""
    for folder in sorted(_DEBIAN.glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True):
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    if found is None:
        raise RuntimeError("PostgreSQL is missing: apt-get install postgresql")
    return Path(found).parent


@contextlib.contextmanager
def _folder(user: str | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="leakscope-") as name:
        if user is not None:
            os.chown(name, pwd.getpwnam(user).pw_uid, -1)
        yield Path(name)


@contextlib.contextmanager
def _serving(command: list[str | Path], folder: Path, user: str | None) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, user=user, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    except _NotServingError as error:
        raise RuntimeError(f"{command} does not serve:\n{(folder / 'log').read_text()}") from error
    finally:
        server.terminate()
        try:
            server.wait(_SECONDS / 4)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_until(answers: Callable[[], bool]) -> None:
    """Raises _NotServingError if that takes more than a minute."""
    end = time.monotonic() + _SECONDS
    while not answers():
        if time.monotonic() > end:
            raise _NotServingError
        time.sleep(0.05)


def _is_ready(binaries: Path, port: int) -> bool:
    asking = [binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    return subprocess.run(asking, check=False).returncode == 0


def _pongs(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(7) == b"+PONG\r\n"
    except OSError:
        return False


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port

"""The Go server of ``fixtures/targets/go``, compiled once, and started with a leak or sound."""

from __future__ import annotations

import contextlib
import os
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from fixtures.commands import ROOT, leakscope

Server = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RuntimeError if there is no Go; ``.ci/run`` installs it."""
    folder = tmp_path_factory.mktemp("go")
    environment = {**os.environ, "GOCACHE": str(folder / "cache"), "GO111MODULE": "off", "GOFLAGS": "-p=2"}
    source = ROOT / "fixtures" / "targets" / "go" / "sessions.go"
    try:
        subprocess.run(["go", "build", "-o", folder / "sessions", source], env=environment, check=True)
    except FileNotFoundError:
        raise RuntimeError("go is missing: apt-get install golang-go") from None
    return folder / "sessions"


@pytest.fixture
def server(program: Path) -> Server:
    """Starts it: ``with server("-leak", "tracker") as url``."""

    @contextlib.contextmanager
    def started(*options: str) -> Iterator[str]:
        process = subprocess.Popen([program, *options], stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            yield f"http://{process.stdout.readline().strip()}"
        finally:
            process.kill()
            process.communicate()

    return started


@pytest.fixture
def taken(tmp_path: Path) -> Callable[[str, str, int], list[Path]]:
    """Four profiles of a kind, each after a round of equal work."""

    def profiles(url: str, kind: str, sessions: int) -> list[Path]:
        paths = []
        for number in range(4):
            _get(f"{url}/open?n={sessions}")
            paths.append(tmp_path / f"{kind}-{number}.pb.gz")
            done = leakscope("snapshot", f"{url}/debug/pprof/{kind}", "-o", paths[-1])
            assert done.returncode == 0, done.stderr
        return paths

    return profiles


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        content: bytes = answer.read()
        return content

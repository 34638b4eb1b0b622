"""Servers of Node with a leak or sound: heap snapshots of each, after rounds of equal work, made once and kept."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.commands import ROOT
from tests.cache import kept, run

SOURCES = ROOT / "fixtures" / "targets" / "node"
ROUNDS, EACH = 4, 12
Snapshots = Callable[[str, str], list[Path]]


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of the servers and of the packages that they use. RuntimeError if there is no Node or no npm."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise RuntimeError("node or npm is missing: apt-get install nodejs npm")

    def make(folder: Path) -> None:
        shutil.copytree(SOURCES, folder)
        run("npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "--ignore-scripts")

    return kept(f"node-{_version()}-{_digest(*sorted(SOURCES.iterdir()))}", make)


@pytest.fixture
def snapshots(programs: Path) -> Snapshots:
    """``snapshots(program, leak)``: of one process, after each of ``ROUNDS`` rounds with ``EACH`` sessions."""

    def taken(program: str, leak: str) -> list[Path]:
        def make(folder: Path) -> None:
            folder.mkdir()
            with _server(programs / program, leak) as ports:
                for number in range(ROUNDS):
                    _work(programs, program, ports, leak)
                    _get(ports[0], "snapshot", path=str(folder / f"{number}.heapsnapshot"))

        folder = kept(f"{programs.name}-{program}-{leak}-{_digest(Path(__file__))}", make)
        return sorted(folder.iterdir())

    return taken


@contextlib.contextmanager
def _server(program: Path, leak: str) -> Iterator[list[str]]:
    """The ports of one that runs meanwhile."""
    process = subprocess.Popen(["node", program, "--leak", leak], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()
    finally:
        process.kill()
        process.communicate()


def _work(programs: Path, program: str, ports: list[str], leak: str) -> None:
    if program == "services.mjs":
        run("node", programs / "client.mjs", *ports, "all" if leak == "none" else leak, str(EACH))
    else:
        _get(ports[0], "open", n=str(EACH))


def _get(port: str, name: str, **query: str) -> None:
    url = f"http://localhost:{port}/{name}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=60) as answer:
        answer.read()


def _version() -> str:
    return subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]

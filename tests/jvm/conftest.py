"""Programs of ``fixtures/targets/java``, compiled once and kept; a Tomcat of Debian's package with a leak or sound."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.commands import ROOT
from tests.cache import kept, run

SOURCES = ROOT / "fixtures" / "targets" / "java" / "webapp"
JARS = Path("/usr/share/java")
PARTS = (
    "catalina", "coyote", "api", "util", "util-scan", "juli", "jni", "jaspic-api", "servlet-api", "el-api",
    "annotations-api",
)  # fmt: skip


@dataclass(frozen=True)
class Tomcat:
    """One that runs."""

    pid: int
    url: str

    def serve(self, customers: int) -> None:
        """So many customers log in and out, each with a session of its own."""
        for _ in range(customers):
            with urllib.request.urlopen(f"{self.url}/login", timeout=30) as answer:
                cookie = answer.headers["Set-Cookie"].partition(";")[0]
            leave = urllib.request.Request(f"{self.url}/logout", headers={"Cookie": cookie})
            with urllib.request.urlopen(leave, timeout=30) as answer:
                assert answer.status == 200


Server = Callable[[str], AbstractContextManager[Tomcat]]


@pytest.fixture(scope="session")
def class_path() -> str:
    """Of Tomcat and the servlet. RuntimeError if there is no Tomcat; ``.ci/run`` installs it."""
    jars = [JARS / f"tomcat10-{part}.jar" for part in PARTS]
    if not all(jar.exists() for jar in jars):
        raise RuntimeError("Tomcat is missing: apt-get install libtomcat10-java")
    path = ":".join(map(str, jars))
    return f"{_compiled('webapp', sorted(SOURCES.rglob('*.java')), path)}:{path}"


@pytest.fixture(scope="session")
def shop() -> Path:
    """The folder with the class ``Shop``, which needs nothing else."""
    return _compiled("shop", [SOURCES.parent / "Shop.java"], "")


def _compiled(name: str, sources: list[Path], path: str) -> Path:
    """RuntimeError if there is no JDK; ``.ci/run`` installs one."""
    if shutil.which("javac") is None:
        raise RuntimeError("javac is missing: apt-get install default-jdk-headless")
    said = subprocess.run(["javac", "-version"], capture_output=True, text=True, check=True).stdout.encode()
    digest = hashlib.blake2b(said + b"".join(source.read_bytes() for source in sources), digest_size=6).hexdigest()
    options = ("-nowarn", "-cp", path) if path else ("-nowarn",)
    return kept(f"java-{name}-{digest}", lambda folder: run("javac", *options, "-d", folder, *sources))


@pytest.fixture
def tomcat(class_path: str) -> Server:
    """Starts it: ``with tomcat("map") as server``."""

    @contextlib.contextmanager
    def started(leak: str) -> Iterator[Tomcat]:
        command = ["java", "-Xmx64m", "-XX:TieredStopAtLevel=1", "-cp", class_path, "shop.App", leak]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            assert process.stdout is not None
            yield Tomcat(process.pid, f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.kill()
            process.communicate()

    return started

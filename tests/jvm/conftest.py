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
    """RuntimeError if there is no JDK or no Tomcat; ``.ci/run`` installs both."""
    jars = [JARS / f"tomcat10-{part}.jar" for part in PARTS]
    if shutil.which("javac") is None or not all(jar.exists() for jar in jars):
        raise RuntimeError("javac or Tomcat is missing: apt-get install default-jdk-headless libtomcat10-java")
    path = ":".join(map(str, jars))
    sources = sorted(SOURCES.rglob("*.java"))
    said = subprocess.run(["javac", "-version"], capture_output=True, text=True, check=True).stdout.encode()
    digest = hashlib.blake2b(said + b"".join(source.read_bytes() for source in sources), digest_size=6).hexdigest()
    classes = kept(f"java-webapp-{digest}", lambda folder: run("javac", "-nowarn", "-cp", path, "-d", folder, *sources))
    return f"{classes}:{path}"


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

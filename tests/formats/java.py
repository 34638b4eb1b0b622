"""Programs of ``fixtures/targets/java``: compiled once, driven by lines, and dumped by the JDK's own jcmd."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from fixtures.commands import ROOT
from tests.cache import kept, run

_SOURCES = ROOT / "fixtures" / "targets" / "java"
_ROW = re.compile(r"\s*\d+:\s+(\d+)\s+(\d+)\s+(\S+)")


def compiled(name: str) -> Path:
    """The folder with the classes of ``name.java``. RuntimeError if there is no JDK; ``.ci/run`` installs it."""
    source = _SOURCES / f"{name}.java"
    number = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    return kept(f"java-{name}-{number}", lambda folder: run("javac", "-d", folder, source))


@dataclass
class Program:
    """A JVM that runs one of them: ``with Program("Shop") as shop: shop.do("leak 10")``."""

    name: str
    options: Sequence[str] = ()
    arguments: Sequence[str] = ()

    def __enter__(self) -> Program:
        command = ["java", "-Xmx64m", *self.options, "-cp", str(compiled(self.name)), self.name, *self.arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._line() == "ready"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def do(self, line: str) -> None:
        """Has it work, and waits until it has."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        assert self._line().startswith("done")

    def dump(self, path: Path, *options: str) -> Path:
        """Its heap, in a new file."""
        run("jcmd", str(self.process.pid), "GC.heap_dump", *options, path)
        return path

    def histogram(self) -> dict[str, tuple[int, int]]:
        """What the JVM itself says: objects and bytes by class, in the names of class files."""
        command = ["jcmd", str(self.process.pid), "GC.class_histogram"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rows = (_ROW.match(line) for line in told.splitlines())
        return {row[3]: (int(row[1]), int(row[2])) for row in rows if row}

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

"""The other tools: where they come from, and what each is asked to do.

Those of the package index get an environment of their own, made once, and so does the gdb that PyHeap and memray
inject code with: older ones cannot write the registers of newer processors. PyHeap is none of the index: $PYHEAP names
its source tree. gcore comes with the system's gdb. Whatever is not there is named as absent.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.page.rows import Row
from bench.page.target import Target, ToolFailedError, measured, run_tool
from tests.interpreters import Interpreter, environment, one_per_version

PACKAGES = (
    "guppy3==3.1.7", "Pympler==1.1", "objgraph==3.7.0", "memray==1.20.0", "pyelftools==0.32",
    "tqdm", "typing_extensions",
)  # fmt: skip
GDB = ("gdb-for-pwndbg==18.1.0.post1",)
PREFERRED = (3, 11)
"""PyHeap knows no CPython behind 3.12."""
_TOLERANCE = 0.1
ANALYZE = Path(__file__).with_name("pyheap_analyze.py")


@dataclass(frozen=True)
class Truth:
    """What the service knows of itself."""

    sessions: int
    retained: int
    """Bytes that go with the dict of sessions."""
    address: int


@dataclass(frozen=True)
class Peer:
    """A tool, and one question that it can be asked."""

    name: str
    asked: str
    use: Callable[[Target, Path, Truth], Row]
    missing: str = ""
    """Why it cannot be measured here."""


def interpreter() -> Interpreter:
    """Of the targets: one that all tools know, where there is one."""
    found = {each.version[:2]: each for each in one_per_version()}
    return found.get(PREFERRED) or found[max(found)]


@functools.cache
def python() -> Path:
    """The Python of the environment with the peers."""
    return environment(interpreter(), "peers", PACKAGES)


@functools.cache
def gdb() -> dict[str, str]:
    """The variables of an environment in which ``gdb`` is the one made for this."""
    home = environment(interpreter(), "gdb", GDB)
    script = home.with_name("gdb")
    script.write_text(f'#!/bin/sh\nexec "{home}" -m gdb_for_pwndbg.gdb "$@"\n')  # the installed one knows another path
    script.chmod(0o755)
    return {"PATH": f"{script.parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def pyheap_folder() -> Path | None:
    """Its source tree, if there is one."""
    folder = os.environ.get("PYHEAP", "")
    return Path(folder) if folder and Path(folder, "pyheap", "src", "pyheap_dump.py").is_file() else None


def peers() -> list[Peer]:
    """All, absent ones too."""
    pyheap = "" if pyheap_folder() else "$PYHEAP names no source tree of it"
    return [
        *(Peer(title, asked, functools.partial(_inside, name, title)) for title, name, asked in _INSIDE),
        Peer("memray attach", "allocations from now on", _memray),
        Peer("gcore", "a core file", _gcore, "" if shutil.which("gcore") else "gcore is not installed"),
        Peer("PyHeap dump", "a heap dump", _pyheap, pyheap),
    ]


_INSIDE = (
    ("guppy3 heap", "guppy_heap", "count the sessions"),
    ("guppy3 domisize", "guppy_retained", "retained size of the dict of sessions"),
    ("pympler muppy", "muppy", "count the sessions"),
    ("pympler asizeof", "asizeof", "size of the dict of sessions with all that it refers to"),
    ("objgraph by_type", "objgraph_count", "count the sessions"),
    ("objgraph chain", "objgraph_chain", "who holds one session"),
)


def _inside(name: str, title: str, target: Target, folder: Path, truth: Truth) -> Row:
    missing = target.ask(f"prepare {name}")["missing"]
    if missing:
        raise ToolFailedError(missing)
    file = folder / "answer"
    with measured(target) as figures:
        said = target.ask(f"run {name} {file}")
        if "error" in said:
            raise ToolFailedError(said["error"])
    answer, right = judged(said, truth)
    return Row(title, wall_s=said["wall_s"], output=written(folder), answer=answer, right=right, **figures)


def judged(said: dict[str, Any], truth: Truth) -> tuple[str, bool | None]:
    """An answer in words, and whether it is right: sizes within a tenth, since some tools change what they measure."""
    if "retained" in said:
        off = said["retained"] / truth.retained - 1
        return f"{said['retained']:,} bytes ({off:+.1%})", abs(off) <= _TOLERANCE
    if "deep" in said:
        return f"{said['deep']:,} bytes, of what others hold as well too", None
    if "sessions" in said:
        return f"{said['sessions']:,} sessions", said["sessions"] == truth.sessions
    if "chain" in said:
        return f"held by {said['chain']}", said["chain"] == "sessions"
    return "", None


def written(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _memray(target: Target, folder: Path, truth: Truth) -> Row:
    command = [str(python()), "-m", "memray", "attach", "--method", "gdb", "-f", "-o", str(folder / "out")]
    with measured(target) as figures:
        own, _ = run_tool([*command, str(target.pid)], gdb())
    return Row("memray attach", **own, **figures, output=written(folder), answer="nothing of what was there before")


def _gcore(target: Target, folder: Path, truth: Truth) -> Row:
    with measured(target) as figures:
        own, _ = run_tool(["gcore", "-o", str(folder / "out"), str(target.pid)])
    return Row("gcore", **own, **figures, output=written(folder), answer="none by itself")


def _pyheap(target: Target, folder: Path, truth: Truth) -> Row:
    """The dump. It stays in ``folder`` for ``analyze``."""
    tree = pyheap_folder()
    assert tree is not None
    command = [str(python()), str(tree / "pyheap" / "src" / "pyheap_dump.py"), "--pid", str(target.pid)]
    with measured(target) as figures:
        own, said = run_tool([*command, "--file", str(folder / "dump.pyheap")], gdb())
    found = re.search(r"Visited (\d+) objects", said)
    if found is None:
        raise ToolFailedError(said.strip()[-200:])
    return Row("PyHeap dump", **own, **figures, output=written(folder), answer=f"{int(found[1]):,} objects")


def analyze(folder: Path, truth: Truth) -> Row:
    """PyHeap's own loader and retained sizes on the dump in ``folder``."""
    tree = pyheap_folder()
    assert tree is not None
    before = written(folder)
    command = [str(python()), str(ANALYZE), str(folder / "dump.pyheap"), str(truth.address)]
    own, said = run_tool(command, {"PYTHONPATH": str(tree / "pyheap-ui" / "src")})
    line = next((line for line in said.splitlines() if line.startswith("{")), "{}")
    answer, right = judged(json.loads(line), truth)
    return Row("PyHeap analysis", **own, output=written(folder) - before, answer=answer, right=right)

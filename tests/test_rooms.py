"""The rooms of leakscope/README.md: every import is read, and whatever the table does not allow is refused."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "leakscope"

ALLOWED_ROOMS: dict[str, set[str]] = {
    "target": {"findings", "kernels", "errors"},
    "cpython": {"target", "graph", "kernels", "errors"},
    "graph": set(),
    "formats": {"graph", "kernels", "errors"},
    "sessions": {"graph", "kernels", "errors"},
    "analysis": {"graph", "sessions", "findings", "kernels", "errors"},
    "findings": set(),
    "render": {"findings"},
    "kernels": set(),
    "gate": {"findings", "errors"},
    "store": {"findings", "errors"},
    "demo": set(),
    "inprocess": {"graph", "sessions", "analysis", "findings", "render", "kernels", "errors"},
    "errors": set(),
    "cli": {
        *("target", "cpython", "graph", "formats", "sessions", "analysis", "findings", "render", "kernels"),
        *("gate", "store", "demo", "inprocess", "errors"),
    },
}
"""What each room may import besides itself; the same as the table in leakscope/README.md."""

ONLY_IN: dict[str, set[str]] = {
    "typer": {"cli"},
    "click": set(),
    "rich": {"cli", "render"},
    "ctypes": {"target"},
    "pyarrow": {"formats"},
    "elftools": {"target"},
    "psutil": {"target"},
    "websockets": {"target"},
    "cython": {"kernels"},
    "tomli": {"sessions"},
    "numpy": {"target", "cpython", "graph", "formats", "sessions", "analysis", "kernels", "inprocess"},
    "pytest": {"inprocess"},
    "_pytest": {"inprocess"},
}
"""Every import from outside the standard library, and ctypes; a library that is not named here is refused."""

ENTRIES = {"__init__", "__main__"}
"""Modules of the package itself: the version, and ``python -m leakscope``."""
FILES = sorted(path for path in PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(source: str, package: str) -> Iterator[str]:
    """Dotted names of everything imported anywhere in ``source``, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *([base] if base else [])])
            yield base
            if base == "leakscope":
                yield from (f"leakscope.{alias.name}" for alias in node.names)


def violations(source: str, room: str, package: str) -> list[str]:
    found = []
    for name in imports_of(source, package):
        top, _, rest = name.partition(".")
        if top == "leakscope":
            other = rest.partition(".")[0]
            # `from leakscope import __version__` reaches no room.
            if other and other in ALLOWED_ROOMS and other != room and other not in ALLOWED_ROOMS[room]:
                found.append(f"{room} imports the room {other}")
        elif top in ONLY_IN:
            if room not in ONLY_IN[top]:
                found.append(f"{room} imports {top}")
        elif top not in sys.stdlib_module_names:
            found.append(f"{room} imports {top}, which no room may")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_what_its_room_may(path: Path) -> None:
    room = "cli" if path.parent == PACKAGE and path.stem in ENTRIES else room_of(path)
    package = ".".join(path.relative_to(PACKAGE.parent).parent.parts)
    assert violations(path.read_text(encoding="utf-8"), room, package) == []


@pytest.mark.parametrize(
    ("source", "room"),
    [
        ("import leakscope.cli.main", "render"),
        ("from leakscope.graph.heap import HeapGraph", "findings"),
        ("from leakscope import target", "analysis"),
        ("from ..cpython import layouts", "target"),
        ("def late():\n    import rich.table", "target"),
        ("import ctypes", "cpython"),
        ("import requests", "cli"),
    ],
)
def test_the_reader_of_imports_sees_a_wrong_one(source: str, room: str) -> None:
    assert len(violations(source, room, f"leakscope.{room}")) == 1


def test_every_room_is_in_the_table_and_the_other_way_round() -> None:
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} | {"errors"}
    assert rooms == set(ALLOWED_ROOMS)
    table = re.findall(r"^\| `(\w+)(?:/|\.py)` \|[^|]*\| ([^|]*) \|$", (PACKAGE / "README.md").read_text(), re.M)
    assert {room for room, _ in table} == rooms
    for room, allowed in table:
        if room != "cli":
            assert set(re.findall(r"`(\w+)`", allowed)) == ALLOWED_ROOMS[room], room


def test_the_demo_service_runs_without_leakscope() -> None:
    for name in ("service.py", "client.py"):
        source = (PACKAGE / "demo" / name).read_text(encoding="utf-8")
        assert {name.partition(".")[0] for name in imports_of(source, "leakscope.demo")} <= {*sys.stdlib_module_names}


def test_every_file_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(PACKAGE))
        for path in FILES
        if path.read_text(encoding="utf-8").strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []

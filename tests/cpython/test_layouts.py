"""The layout tables against what every installed CPython says: its headers, its debug information, its memory."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from leakscope.cpython.layout_debug import PUBLISHED
from leakscope.cpython.layout_field import VERSIONS
from leakscope.cpython.layouts import Layout, layout_for, overlay_debug_offsets
from leakscope.errors import UnsupportedTargetError

ROOT = Path(__file__).parents[2]
PROBE = ROOT / "fixtures" / "probe"
ASK = """
import json, os, sys, sysconfig
headers = os.path.join(sysconfig.get_path("include"), "internal", "pycore_runtime.h")
print(json.dumps(["%d.%d" % sys.version_info[:2], sys.base_prefix, os.path.isfile(headers)]))
"""


def installed() -> dict[str, tuple[str, str]]:
    """Name of an installed CPython that has its headers -> (program, minor version)."""
    candidates = [
        *sorted(Path.home().glob(".pyenv/versions/*/bin/python3")),
        *map(Path, ("/usr/bin/python3",)),
    ]
    candidates.append(Path(sys.executable))
    found: dict[str, tuple[str, str]] = {}
    for program in filter(Path.exists, candidates):
        done = subprocess.run([str(program), "-c", ASK], check=True, capture_output=True, text=True)
        version, prefix, has_headers = json.loads(done.stdout)
        if version in VERSIONS and has_headers:
            found.setdefault(prefix, (str(program), version))
    return found


INSTALLED = installed()
every_python = pytest.mark.parametrize(("program", "version"), INSTALLED.values(), ids=INSTALLED)


@cache
def derived(program: str) -> dict[str, int]:
    """The interpreter's layout, derived anew."""
    command = [sys.executable, "-m", "fixtures.probe.derive", program]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    values: dict[str, int] = json.loads(done.stdout)
    return values


def live(script: str, program: str, version: str) -> Any:
    """What a program under ``fixtures/probe`` reports of its own memory, read by the table for ``version``."""
    layout = json.dumps(asdict(layout_for(version)) | {"version": version})
    command = [program, "-E", "-s", str(PROBE / script)]
    done = subprocess.run(command, input=layout, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_running_interpreter_is_among_the_checked() -> None:
    assert sys.base_prefix in INSTALLED


@every_python
def test_every_number_is_what_headers_and_debug_information_say(program: str, version: str) -> None:
    table = asdict(layout_for(version))
    told = {name: value for name, value in derived(program).items() if not name.startswith("debug_")}
    assert {name: (table[name], value) for name, value in told.items() if table[name] != value} == {}
    assert len(told) > 550, "fewer than the headers alone tell"


@every_python
def test_published_offsets_lie_where_the_table_says(program: str, version: str) -> None:
    told = {name: value for name, value in derived(program).items() if name.startswith("debug_")}
    expected = {f"debug_{name}": at if version == "3.13" else -1 for name, at in PUBLISHED.items()}
    assert told == expected


@every_python
@pytest.mark.parametrize("script", ["live_objects.py", "live_runtime.py"])
def test_a_live_interpreter_reads_itself_through_the_table(script: str, program: str, version: str) -> None:
    report = live(script, program, version)
    assert report["failed"] == []
    assert report["checked"] > 40


@every_python
def test_sizes_follow_the_documented_rules(program: str, version: str) -> None:
    report = live("live_sizes.py", program, version)
    assert {kind: row for kind, row in report.items() if row[1]} == {}
    assert {"builtins.dict", "builtins.type", "collections.OrderedDict", "decimal.Decimal"} <= report.keys()
    assert sum(row[0] for row in report.values()) > 10_000


def test_what_3_13_publishes_about_itself_agrees_with_the_table() -> None:
    layout = layout_for("3.13")
    live_offsets = [
        bytes.fromhex(live("live_runtime.py", program, version)["debug_offsets"])
        for program, version in INSTALLED.values()
        if version == "3.13"
    ]
    for raw in [*live_offsets, published_by(layout)]:
        assert overlay_debug_offsets(layout, raw) == layout


def published_by(layout: Layout, **changed: int) -> bytes:
    """The start of ``_PyRuntime`` as a 3.13 of this layout would have it, but for ``changed``."""
    values = asdict(layout) | {"version": 0x030D00F0, "free_threaded": 0} | changed
    raw = bytearray(PUBLISHED["sizeof"])
    for name, at in PUBLISHED.items():
        raw[at : at + 8] = values.get(name, 0).to_bytes(8, "little")
    raw[:8] = b"xdebugpy"
    return bytes(raw)


def test_published_offsets_win_over_the_table() -> None:
    layout = layout_for("3.13.2")
    overlaid = overlay_debug_offsets(layout, published_by(layout, interp_modules=4242, iframe_owner=77))
    assert (overlaid.interp_modules, overlaid.iframe_owner) == (4242, 77)
    different = {f.name for f in fields(Layout) if getattr(layout, f.name) != getattr(overlaid, f.name)}
    assert different == {"interp_modules", "iframe_owner"}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "does not publish"),
        (b"xdebugpy", "does not publish"),
        (bytes(1024), "does not publish"),
        (published_by(layout_for("3.13"), version=0x030E00F0), r"3\.14"),
        (published_by(layout_for("3.13"), free_threaded=1), "free-threaded"),
    ],
)
def test_foreign_debug_offsets_are_refused(raw: bytes, message: str) -> None:
    with pytest.raises(UnsupportedTargetError, match=message) as refusal:
        overlay_debug_offsets(layout_for("3.13"), raw)
    assert "3.13" in refusal.value.help


@pytest.mark.parametrize("version", ["3.9.18", "3.14", "2.7", "4.0", "", "3"])
def test_other_versions_are_refused(version: str) -> None:
    with pytest.raises(UnsupportedTargetError, match="not supported") as refusal:
        layout_for(version)
    assert "3.10 to 3.13" in refusal.value.help


@pytest.mark.parametrize("version", VERSIONS)
def test_a_patch_version_has_the_layout_of_its_minor_version(version: str) -> None:
    assert layout_for(f"{version}.7") == layout_for(version)


def test_every_field_exists_in_some_version() -> None:
    tables = [asdict(layout_for(version)) for version in VERSIONS]
    assert [name for name in tables[0] if all(table[name] == -1 for table in tables)] == []

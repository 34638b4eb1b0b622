"""The baseline file: read back as written, sorted for merging, and refused when it cannot be trusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from leakscope.errors import InputError
from leakscope.findings.gate import KnownLeak
from leakscope.gate.baseline import load_baseline, save_baseline

ENTRIES = (
    KnownLeak("growth", "ffffffffffff", "app.B", "app.B.all[0]", 2.0, "ticket 8", "2027-01-31"),
    KnownLeak("growth", "000000000000", "app.A\x1b[2J", None, 0.5, "ticket 7"),
    KnownLeak("descriptors", None, None, None, 1.0, "log files"),
)
ONE: dict[str, Any] = {
    "rule": "growth",
    "fingerprint": "0123456789ab",
    "class": "app.Session",
    "chain": None,
    "allowed": 1,
    "reason": "x",
    "expires": None,
}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "leakscope-baseline.json"
    save_baseline(path, ENTRIES)
    assert set(load_baseline(path)) == set(ENTRIES)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_the_order_does_not_depend_on_the_finding(tmp_path: Path) -> None:
    one, other = tmp_path / "a.json", tmp_path / "b.json"
    save_baseline(one, ENTRIES)
    save_baseline(other, ENTRIES[::-1])
    assert one.read_bytes() == other.read_bytes()
    assert one.read_text().isascii()
    assert len(one.read_text().splitlines()) > 3 * 7, "an entry on lines of its own merges"


def test_fields_that_people_leave_out(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    entry = {"rule": "growth", "fingerprint": "0123456789ab", "class": "app.Session", "allowed": 1}
    path.write_text(json.dumps({"schema": 1, "leaks": [entry]}))
    (known,) = load_baseline(path)
    assert (known.chain, known.expires, known.reason) == (None, None, "not given yet")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "JSON"),
        ("{", "JSON"),
        ("[" * 100_000, "JSON"),
        ("[]", "list of leaks"),
        ('{"schema": 1, "leaks": {}}', "list of leaks"),
        ('{"leaks": []}', "schema"),
        ('{"schema": "1", "leaks": []}', "schema"),
        (json.dumps({"schema": 1, "leaks": [ONE, ONE]}), "twice"),
        (json.dumps({"schema": 1, "leaks": ["x"]}), "entry 1"),
        (json.dumps({"schema": 1, "leaks": [{**ONE, "rule": "grwoth"}]}), "rule"),
        (json.dumps({"schema": 1, "leaks": [{**ONE, "allowed": "many"}]}), "allowed"),
        (json.dumps({"schema": 1, "leaks": [{**ONE, "allowed": -1}]}), "allowed"),
        (json.dumps({"schema": 1, "leaks": [{**ONE, "allowed": True}]}), "allowed"),
        ('{"schema": 1, "leaks": [{"rule": "growth", "allowed": NaN}]}', "allowed"),
        ('{"schema": 1, "leaks": [{"rule": "growth", "allowed": Infinity}]}', "allowed"),
        (json.dumps({"schema": 1, "leaks": [{**ONE, "expires": "soon"}]}), "expires"),
        (json.dumps({"schema": 1, "leaks": [{**ONE, "fingerprint": 5}]}), "fingerprint"),
        (json.dumps({"schema": 1, "leaks": [{**ONE, "reason": None}]}), "reason"),
        (json.dumps({"schema": 1, "leaks": [{**ONE, "ruel": 1}]}), "ruel"),
    ],
)
def test_what_cannot_be_trusted_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(text)
    with pytest.raises(InputError, match=why) as caught:
        load_baseline(path)
    assert str(path) in caught.value.message
    assert caught.value.help


def test_a_newer_schema_asks_for_a_newer_leakscope(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    path.write_text('{"schema": 2, "leaks": []}')
    with pytest.raises(InputError, match="newer"):
        load_baseline(path)


def test_files_that_are_not_there_or_no_text(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "absent", tmp_path, tmp_path / "binary"):
        with pytest.raises(InputError):
            load_baseline(path)


def test_a_baseline_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        save_baseline(tmp_path / "absent" / "b.json", ENTRIES)
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        save_baseline(tmp_path / "folder", ENTRIES)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]

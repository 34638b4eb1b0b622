"""A short fuzz of every kind, the corpus of what once escaped, and that escapes would be seen."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from leakscope.errors import LeakscopeError
from tests.fuzz.driver import Plan, fuzz
from tests.fuzz.kinds import SHARES, load
from tests.fuzz.seeds import FOLDER, load_image
from tests.fuzz.snapshots import graphs
from tests.fuzz.traps import NAMES

ROOT = Path(__file__).parents[2]
CORPUS = sorted((FOLDER / "corpus").glob("*"))
INPUTS = 900
MANY = [kind for kind in SHARES if kind != "torn"]


def test_a_short_fuzz_lets_nothing_escape() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", str(INPUTS), "--seed", "20240601", "--kinds", ",".join(MANY)],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for kind in MANY:
        number, read, refused, escaped, _ = _row(done.stdout, kind)
        assert number > INPUTS * SHARES[kind] / sum(SHARES.values()) / 2
        assert read and refused and not escaped, done.stdout
    assert _row(done.stdout, "all")[0] == INPUTS


def test_copies_of_a_busy_process_are_read_or_refused() -> None:
    outcome = fuzz(Plan(["torn"], 8))
    assert not outcome.escapes
    assert outcome.counts["torn read"] + outcome.counts["torn refused"] == 8
    assert outcome.counts["torn read"]


def _row(said: str, kind: str) -> list[int]:
    (cells,) = re.findall(rf"^\| {kind} \| (.*) \|$", said, re.M)
    return [int(cell.replace(",", "")) for cell in cells.split(" | ")]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_what_once_escaped_is_read_or_refused(path: Path) -> None:
    kind = load(path.name.partition("-")[0])
    try:
        kind.run(kind.decode(path.read_bytes()))
    except LeakscopeError as error:
        assert error.message and "\n" not in error.message and error.help


def test_the_seeds_are_whole() -> None:
    """An image that is refused before anything is damaged would make all of this worthless."""
    versions = [load_image(path).version.rpartition(".")[0] for path in sorted(FOLDER.glob("image-*.npz"))]
    assert versions == ["3.10", "3.11", "3.12", "3.13"]
    for graph in graphs():
        assert {"seed", "seen", "SESSIONS"} <= set(graph.names)
        assert graph.objects > 500
        assert graph.sessions is not None and len(graph.sessions.node)


def test_an_escape_a_crash_a_hang_and_greed_are_seen() -> None:
    outcome = fuzz(Plan(["trap"], 24, limit_s=0.3, seed=3))
    seen = {(escape.how, _which(escape.text)) for escape in outcome.escapes}
    assert seen == {
        ("exception", "KeyError"), ("exception", "MemoryError"), ("exception", "no line"), ("hang", "traps.py"),
        ("crash", "traps.py"),
    }  # fmt: skip
    counts = outcome.counts
    assert counts["trap read"] and counts["trap refused"]
    assert counts["trap escaped"] == len(outcome.escapes)
    assert sum(counts.values()) == 24, (counts, NAMES)


def _which(text: str) -> str:
    return next(word for word in ("KeyError", "MemoryError", "no line", "traps.py", "") if word in text)

"""One object a round is in doubt over four rounds: more rounds tell, and where there are none it is a note."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fixtures.commands import leakscope
from leakscope.analysis.definitions import definition_of
from leakscope.errors import EXIT_CLEAN, EXIT_FLAGGED
from leakscope.findings.model import ChainRoot
from leakscope.formats.leakscope_file import load
from tests.cli.support import document

TARGETS = Path(__file__).parents[2] / "fixtures" / "targets"
SERVICE = TARGETS / "small_service.py"
ROUNDS = 4


@pytest.fixture(scope="module")
def slow_leak(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Snapshots of a service that keeps one session a round, as many as the gate took of it."""
    folder = tmp_path_factory.mktemp("slow")
    port = folder / "port"
    done = leakscope(
        *("gate", "--run", f"exec {sys.executable} {SERVICE} {port} leak", "--ready", "listening"),
        *("--step", f"{TARGETS / 'small_client.sh'} {port} 1", "--rounds", ROUNDS, "--keep", folder),
        *("--settle", "0s", "--retry-after", "100ms"),
    )
    assert done.returncode == EXIT_FLAGGED, done.stdout + done.stderr
    assert "4 rounds more" in done.stderr
    assert "in 8 steps" in done.stdout
    return sorted(folder.glob("*.leakscope"))


def test_files_of_many_rounds_are_sure(slow_leak: list[Path]) -> None:
    assert len(slow_leak) == 1 + ROUNDS + 4
    found = document("gate", *slow_leak, code=EXIT_FLAGGED)
    assert [(leak["class"], leak["found"]) for leak in found["violations"]] == [("__main__.Session", 1)]


def test_files_of_few_rounds_are_not(slow_leak: list[Path]) -> None:
    found = document("gate", *slow_leak[: 1 + ROUNDS], code=EXIT_CLEAN)
    assert found["violations"] == []
    (note,) = [note for note in found["notes"] if note.startswith("not judged: __main__.Session grows by 1 per round")]
    assert "8 rounds would tell" in note


@pytest.mark.parametrize(
    ("kind", "name", "place"),
    [
        ("module", "__main__", (str(SERVICE), None)),
        ("class", "__main__.Registry", (str(SERVICE), None)),
        ("class", "__main__.Session", (str(SERVICE), 20 if sys.version_info >= (3, 11) else None)),
        ("module", "nowhere", (None, None)),
        ("class", "int", (None, None)),
        ("interpreter", "codecs", (None, None)),
    ],
)
def test_where_a_holder_is_defined(
    slow_leak: list[Path], kind: str, name: str, place: tuple[str | None, int | None]
) -> None:
    assert definition_of(load(slow_leak[0]), ChainRoot(kind, name)) == place

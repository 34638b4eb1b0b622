"""An intact snapshot and a place for a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest

from leakscope.formats.leakscope_file import save
from tests.formats.hostile import GRAPH


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a snapshot of GRAPH."""
    path = tmp_path_factory.mktemp("intact") / "x.leakscope"
    save(GRAPH, path)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test puts its file."""
    return tmp_path / "bad.leakscope"

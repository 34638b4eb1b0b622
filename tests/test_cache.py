"""What tests keep is made once, however many ask for it at once, and is whole or not there."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from tests.cache import kept, run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("LEAKSCOPE_TEST_CACHE", str(tmp_path / "cache"))
    return tmp_path


def make(home: Path) -> None:
    """Slow enough for others to come in between."""
    home.mkdir()
    with (home.parent / "makers").open("a") as makers:
        makers.write(f"{os.getpid()}\n")
    time.sleep(0.2)
    (home / "done").touch()


def ask(_: int) -> bool:
    return (kept("thing", make) / "done").exists()


def test_of_many_processes_one_makes_it_and_all_find_it_whole(folder: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert all(pool.map(ask, range(3), chunksize=1))
    assert len((folder / "cache" / "makers").read_text().splitlines()) == 1


def test_what_could_not_be_made_is_not_there_and_is_made_anew() -> None:
    def break_off(home: Path) -> None:
        home.mkdir()
        (home / "half").touch()
        run("false")

    for _ in range(2):
        with pytest.raises(RuntimeError, match="false"):
            kept("thing", break_off)
    assert [path.name for path in kept("thing", make).iterdir()] == ["done"]

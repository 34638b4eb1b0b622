"""guppy3, pympler and objgraph as optional views: there with them, a clear word or None without."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import pytest

from leakscope.errors import UsageError
from leakscope.inprocess import extras

FAKE_DOT = """#!/bin/sh
for argument; do case $argument in -o*) out=${argument#-o};; esac; done
cat "$1" > /dev/null 2>&1; while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done; echo drawn > "$out"
"""


class Holder:
    def __init__(self) -> None:
        self.many = [bytes(10_000)]


def test_sizes_and_views_of_others() -> None:
    assert extras.deep_size(Holder()) > 10_000
    kept = [Holder() for _ in range(50)]
    assert extras.heap_view().count > len(kept)


def test_without_them_the_way_to_install_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    for asked in (extras.heap_view, extras.deep_size):
        with pytest.raises(UsageError, match="is not installed") as caught:
            asked()
        assert "leakscope-cli[inprocess]" in caught.value.help


def test_a_picture_needs_dot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    held = Holder()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert extras.picture([held], tmp_path / "held.png") is None
    dot = tmp_path / "dot"
    dot.write_text(FAKE_DOT)
    dot.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    assert extras.picture([held], tmp_path / "held.dot") == tmp_path / "held.dot"
    assert "Holder" in (tmp_path / "held.dot").read_text()
    assert extras.picture([held], tmp_path / "held.png") == tmp_path / "held.png"

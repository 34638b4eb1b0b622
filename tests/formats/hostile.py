"""What the tests of hostile files share: an intact snapshot, and ways to make bad ones of it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leakscope.errors import InputError
from leakscope.formats.leakscope_file import load
from tests.formats.graphs import random_graph

GRAPH = random_graph(1, objects=20_000, references=60_000, names=["name", "other"])


def refused(path: Path) -> InputError:
    """What ``load`` says of ``path``: one line and help."""
    with pytest.raises(InputError) as caught:
        load(path)
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.help
    return caught.value


def members_of(intact: bytes) -> dict[str, bytes]:
    """The content of each member."""
    with zipfile.ZipFile(io.BytesIO(intact)) as container:
        return {name: container.read(name) for name in container.namelist()}


def write_members(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> None:
    """A well-formed container with valid checksums around whatever ``members`` hold."""
    with zipfile.ZipFile(path, "w", method) as container:
        for name, data in members.items():
            container.writestr(zipfile.ZipInfo(name), data, compress_type=method)


def with_meta(intact: bytes, change: Callable[[dict[str, Any]], object]) -> dict[str, bytes]:
    """The members, with ``change`` made to meta.json."""
    members = members_of(intact)
    meta = json.loads(members["meta.json"])
    change(meta)
    members["meta.json"] = json.dumps(meta).encode()
    return members


def parquet(table: pa.Table, **options: Any) -> bytes:
    """``table`` as ``leakscope`` would store it, but for ``options``."""
    ascending = {"address", "source"} & set(table.column_names)
    usual = {
        "compression": "zstd",
        "store_schema": False,
        "use_dictionary": ["type", "own_size", "flags", "kind", "origin"],
        "column_encoding": dict.fromkeys(ascending, "DELTA_BINARY_PACKED") or None,
    }
    file = io.BytesIO()
    pq.write_table(table, file, **{**usual, **options})
    return file.getvalue()

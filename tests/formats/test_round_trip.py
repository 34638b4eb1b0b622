"""What is saved is what is loaded."""

from __future__ import annotations

import io
import itertools
import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from leakscope.formats.layout import TABLES, members
from leakscope.formats.leakscope_file import UNREAD, load, load_meta, save
from leakscope.graph.heap import HeapGraph
from leakscope.graph.kinds import Ref
from tests.formats.graphs import assert_equal, heap_graphs, random_graph
from tests.formats.hostile import members_of, write_members

NAMES = ["name", "#1a2b3c4d5e6f", "", "ünï\U0001f409\x00", "line\nbreak"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples of a property."""
    return tmp_path_factory.mktemp("round-trip")


@given(graph=heap_graphs())
def test_every_column_comes_back(folder: Path, graph: HeapGraph) -> None:
    """Equal values of equal types, in every table."""
    path = folder / "heap.leakscope"
    save(graph, path)
    assert_equal(load(path), graph)


@given(graph=heap_graphs())
def test_what_nobody_asks_for_is_left_unread(folder: Path, graph: HeapGraph) -> None:
    """The rest is as it was; what was left out is empty."""
    path = folder / "heap.leakscope"
    save(graph, path)
    part = load(path, UNREAD)
    assert part.sessions is None and part.bounds is None
    assert not len(part.label) and not len(part.labels.node) and not len(part.frames.node)
    rest = replace(part, label=graph.label, labels=graph.labels, frames=graph.frames)
    assert_equal(replace(rest, sessions=graph.sessions, bounds=graph.bounds), graph)
    with pytest.raises(ValueError, match="objects"):
        load(path, ["objects"])


def test_several_row_groups_come_back(tmp_path: Path) -> None:
    """Tables longer than one row group."""
    graph = random_graph(1, objects=100_000, references=2_500_000, names=NAMES)
    save(graph, tmp_path / "large.leakscope")
    assert_equal(load(tmp_path / "large.leakscope"), graph)


def test_a_repetitive_heap_comes_back(tmp_path: Path) -> None:
    """A list of ten million times None takes little room in the file, and is no bomb."""
    length = 10_000_000
    graph = random_graph(2, objects=2, references=0, names=NAMES)
    graph = replace(
        graph,
        first_ref=np.array([0, length, length]),
        target=np.ones(length, np.int32),
        kind=np.full(length, Ref.INDEX, np.uint8),
        label=np.arange(length, dtype=np.int32),
    )
    save(graph, tmp_path / "list.leakscope")
    assert_equal(load(tmp_path / "list.leakscope"), graph)


def test_lone_surrogates_are_escaped(tmp_path: Path) -> None:
    """A text of a foreign heap need not be valid; Parquet's must."""
    graph = random_graph(3, objects=10, references=10, names=["caf\udce9", "plain"])
    save(graph, tmp_path / "s.leakscope")
    assert load(tmp_path / "s.leakscope").names == ["caf\\udce9", "plain"]


def test_what_was_not_read_comes_back_as_none(tmp_path: Path) -> None:
    """And what was read and found empty as an empty table."""
    graph = random_graph(1, objects=20, references=30, names=NAMES)
    assert graph.sessions is not None
    empty = type(graph.sessions)(*(column[:0] for column in vars(graph.sessions).values()))
    for sessions, bounds in itertools.product((graph.sessions, empty, None), (graph.bounds, None)):
        told = replace(graph, sessions=sessions, bounds=bounds)
        save(told, tmp_path / "n.leakscope")
        assert_equal(load(tmp_path / "n.leakscope"), told)


def test_a_file_of_schema_1_still_loads(tmp_path: Path) -> None:
    """As leakscope 0.1 wrote it: without the tables of sessions and bounds, and without a word about them."""
    graph = replace(random_graph(2, objects=50, references=90, names=NAMES), sessions=None, bounds=None)
    save(graph, tmp_path / "2.leakscope")
    members = members_of((tmp_path / "2.leakscope").read_bytes())
    meta = json.loads(members["meta.json"])
    del meta["without"]
    for table in ("sessions", "bounds"):
        del meta["rows"][table], members[f"{table}.parquet"]
    members["meta.json"] = json.dumps({**meta, "schema": 1}).encode()
    write_members(tmp_path / "1.leakscope", members)
    assert_equal(load(tmp_path / "1.leakscope"), graph)
    assert load_meta(tmp_path / "1.leakscope").without == ("sessions", "bounds")


def test_facts_come_without_the_tables(tmp_path: Path) -> None:
    """``load_meta`` knows counts and facts."""
    graph = random_graph(4, objects=10, references=30, names=NAMES)
    save(graph, tmp_path / "m.leakscope")
    meta = load_meta(tmp_path / "m.leakscope")
    assert meta.facts == graph.facts
    assert meta.rows["objects"] == 10
    assert meta.rows["references"] == 30


def test_equal_graphs_make_equal_files(tmp_path: Path) -> None:
    """No time, path or machine gets in."""
    for name in ("a", "b"):
        save(random_graph(5, objects=50, references=90, names=NAMES), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_members_are_plain_parquet(tmp_path: Path) -> None:
    """Other tools cut the members out of the zip file and read them as they are."""
    graph = random_graph(6, objects=50, references=90, names=NAMES)
    save(graph, tmp_path / "p.leakscope")
    with zipfile.ZipFile(tmp_path / "p.leakscope") as container:
        assert container.namelist() == members()
        assert {info.compress_type for info in container.infolist()} == {zipfile.ZIP_STORED}
        assert json.loads(container.read("meta.json"))["schema"] == 2
        for table, schema in TABLES.items():
            content = pq.read_table(io.BytesIO(container.read(f"{table}.parquet")))
            assert content.schema.equals(schema)
        references = pq.read_table(io.BytesIO(container.read("references.parquet")))
    assert references["source"].to_pylist() == np.repeat(range(50), np.diff(graph.first_ref)).tolist()
    assert references["target"].to_pylist() == graph.target.tolist()


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    """Mode 0600, whatever the umask and whatever was there before."""
    path = tmp_path / "private.leakscope"
    path.touch(mode=0o666)
    mask = os.umask(0)
    try:
        save(random_graph(7, objects=5, references=5, names=NAMES), path)
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]

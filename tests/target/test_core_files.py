"""What a core needs: its program and libraries of the same build, found where they are now, and all of its heap."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from fixtures.commands import leakscope
from leakscope.analysis.chains import cluster_chains
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.sessions import session_nodes, session_report
from leakscope.cli.rules import ask
from leakscope.cli.source import CoreFiles, open_graph
from leakscope.errors import EXIT_ATTACH, EXIT_INPUT, EXIT_USAGE, InputError, UnsupportedTargetError
from leakscope.formats.leakscope_file import load
from leakscope.graph.heap import HeapGraph
from leakscope.target.core import read_core
from leakscope.target.core_libraries import build_id
from tests.cli.support import document
from tests.cli.test_errors import complaint

from .cores import gcore, may_dump
from .support import ANY, TOO_OLD, Target, running

HEAP_ALONE = 0x01
"""A coredump_filter without the first pages of files."""
NO_HEAP = 0x30
NUMBERS = ("sessions", "slotted")
ALL = 0x3F


class Moved(NamedTuple):
    """A core of a Python whose files have been moved since to ``root``, as out of a container."""

    core: Path
    program: str
    """As its process saw it."""
    root: Path
    info: dict[str, int]


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Moved:
    folder = tmp_path_factory.mktemp("moved")
    before, root = folder / "then", folder / "root"
    program = copied(ANY, before / "bin")
    environment = {**os.environ, "LD_LIBRARY_PATH": str(before / "bin"), "PYTHONHOME": str(ANY.parents[1])}
    with running(program, "dumped.py", **may_dump(folder) | {"env": environment}) as target:
        core = gcore(target.pid, folder)
    root.joinpath(*before.parts[1:-1]).mkdir(parents=True)
    before.rename(root.joinpath(*before.parts[1:]))
    return Moved(core, str(program), root, target.info)


def copied(python: Path, folder: Path) -> Path:
    """An interpreter and its libpython, if it has one, in a folder of their own."""
    folder.mkdir(parents=True)
    for library in python.parents[1].glob("lib/libpython3*.so*"):
        shutil.copy(library, folder)
    return Path(shutil.copy(python.resolve(), folder / "prog"))


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with running(ANY, "dumped.py", **may_dump(tmp_path_factory.mktemp("target"))) as running_target:
        yield running_target


@pytest.fixture(scope="module")
def core(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gcore(target.pid, tmp_path_factory.mktemp("core"))


def sessions_in(graph: HeapGraph) -> int:
    assert graph.sessions is not None
    names = [graph.types.name[row] for row in graph.type[graph.sessions.node]]
    return sum(name == "__main__.Session" for name in names)


def id_of(path: Path) -> str:
    def read(offset: int, length: int) -> bytes:
        return path.read_bytes()[offset : offset + length]

    found = build_id(read)
    assert found is not None
    return found.hex()


def test_without_its_program_a_core_says_which_file_it_needs(moved: Moved) -> None:
    with pytest.raises(InputError) as raised:
        read_core(moved.core)
    assert "build id" in raised.value.message
    assert str(Path(moved.program).parent) in raised.value.message
    assert "--libs DIR" in raised.value.help


def test_the_root_of_its_container_has_all_files(moved: Moved) -> None:
    graph = open_graph(str(moved.core), files=CoreFiles(libs=moved.root))
    assert sessions_in(graph) == moved.info["sessions"]
    assert not any("Names of C code" in line for line in graph.facts["warnings"])


def test_a_folder_with_the_files_alone_will_do(moved: Moved, tmp_path: Path) -> None:
    flat = moved.root.joinpath(*Path(moved.program).parts[1:-1])
    assert sessions_in(open_graph(str(moved.core), files=CoreFiles(libs=flat))) == moved.info["sessions"]


def test_files_by_build_id(moved: Moved, tmp_path: Path) -> None:
    for file in moved.root.joinpath(*Path(moved.program).parts[1:-1]).iterdir():
        build = id_of(file)
        place = tmp_path / "usr/lib/debug/.build-id" / build[:2] / build[2:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(file)
    assert sessions_in(open_graph(str(moved.core), files=CoreFiles(libs=tmp_path))) == moved.info["sessions"]


def test_the_program_alone_may_be_named(core: Path, moved: Moved) -> None:
    program = moved.root.joinpath(*Path(moved.program).parts[1:])
    assert read_core(core, exe=program).version == read_core(core).version


def test_another_build_is_refused_and_both_ids_are_named(core: Path, tmp_path: Path) -> None:
    program = tmp_path / "other"
    data = bytearray(ANY.resolve().read_bytes())
    ours = bytes.fromhex(id_of(ANY.resolve()))
    at = data.index(ours)
    data[at : at + len(ours)] = bytes(reversed(ours))
    program.write_bytes(data)
    message = complaint(leakscope("sessions", core, "--exe", program), EXIT_INPUT)
    assert f"build id {ours[::-1].hex()}, not {ours.hex()}" in message
    for useless, told in ((tmp_path / "absent", "No such file"), (tmp_path, "no plain file"), (core, "build id")):
        with pytest.raises(InputError, match=told):
            read_core(core, exe=useless)


def test_another_build_where_the_program_was_is_not_taken_for_it(moved: Moved, tmp_path: Path) -> None:
    """After an upgrade of the machine."""
    for file in moved.root.joinpath(*Path(moved.program).parts[1:-1]).iterdir():
        data = bytearray(file.read_bytes())
        at = data.index(bytes.fromhex(id_of(file)))
        data[at] ^= 0xFF
        (tmp_path / file.name).write_bytes(data)
    with pytest.raises(InputError, match=r"is another build than the core's: build id [0-9a-f]{40}, not [0-9a-f]{40}"):
        read_core(moved.core, libs=tmp_path)


def test_debug_files_have_no_contents_to_read(moved: Moved, tmp_path: Path) -> None:
    """As distributions put them under .build-id: the same id, and no bytes."""
    for file in moved.root.joinpath(*Path(moved.program).parts[1:-1]).iterdir():
        (tmp_path / file.name).write_bytes(without_contents(file.read_bytes()))
    with pytest.raises(InputError, match="is not here"):
        read_core(moved.core, libs=tmp_path)


def without_contents(data: bytes) -> bytes:
    """As objcopy --only-keep-debug: SHT_NOBITS is the kind of all loaded sections (SHF_ALLOC) but notes."""
    changed = bytearray(data)
    table, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
    for at in range(table, table + count * 64, 64):
        kind, flags = struct.unpack_from("<IQ", data, at + 4)
        if flags & 2 and kind != 7:
            struct.pack_into("<I", changed, at + 4, 8)
    return bytes(changed)


@pytest.mark.parametrize("bits", [HEAP_ALONE, ALL])
def test_what_was_dumped_beside_the_heap_does_not_matter(target: Target, tmp_path: Path, bits: int) -> None:
    graph = open_graph(str(gcore(target.pid, tmp_path, bits)))
    assert sessions_in(graph) == target.info["sessions"]
    unverified = [line for line in graph.facts["warnings"] if "cannot be told" in line]
    assert len(unverified) == (bits == HEAP_ALONE)


def test_a_core_without_its_heap_is_refused(target: Target, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none of the memory") as raised:
        read_core(gcore(target.pid, tmp_path, NO_HEAP))
    assert "coredump_filter" in raised.value.help


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_core_that_was_cut_off_says_how_much_is_missing(core: Path, tmp_path: Path, part: float) -> None:
    short = tmp_path / "core.short"
    size = core.stat().st_size
    with core.open("rb") as whole:
        short.write_bytes(whole.read(int(size * part)))
    with pytest.raises(InputError, match=r"cut off: \d+ (MiB|KiB|bytes) of \d+ MiB are missing"):
        read_core(short)


def test_a_core_of_an_older_python_is_refused_by_its_version(tmp_path: Path) -> None:
    for python in TOO_OLD[:1]:
        with running(python, "known.py") as target:
            path = gcore(target.pid, tmp_path)
        message = complaint(leakscope("chains", path), EXIT_ATTACH)
        assert f"CPython {python.name.removeprefix('python')}" in message
        with pytest.raises(UnsupportedTargetError):
            read_core(path)


def test_commands_take_a_core_as_they_take_a_process(core: Path, target: Target, tmp_path: Path) -> None:
    done = leakscope("snapshot", core, cwd=tmp_path)
    (output,) = tmp_path.glob(f"leakscope-{core.name}-*.leakscope")
    assert f"PID {target.pid}, cpython" in done.stdout
    assert "of a core file" in done.stdout
    assert "warning: A core does not say when it was taken" in done.stdout
    found = {name: document(name, core) for name in ("sessions", "chains", "suspects")}
    index = HeapIndex(load(output))
    assert found["sessions"]["total"] == session_report(index).total == sum(target.info[name] for name in NUMBERS)
    texts = [cluster.text for cluster in cluster_chains(index, session_nodes(index.graph))]
    assert [cluster["text"] for cluster in found["chains"]["clusters"]] == texts
    assert found["suspects"]["command"] == "suspects"


def test_what_makes_no_sense_with_a_core(core: Path, target: Target, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no core")
    complaint(leakscope("sessions", core, "--pause", "copy"), EXIT_USAGE)
    complaint(leakscope("sessions", target.pid, "--exe", "/bin/true"), EXIT_USAGE)
    complaint(leakscope("snapshot", tmp_path / "absent"), EXIT_USAGE)
    complaint(leakscope("snapshot", tmp_path / "text"), EXIT_INPUT)
    complaint(leakscope("top", ANY), EXIT_INPUT)


def test_rules_are_asked_of_a_core(core: Path, target: Target) -> None:
    counted = {row.name: row.use.count for row in ask(str(core), []).rules if row.use is not None and row.use.count}
    assert counted["guess"] == sum(target.info[name] for name in NUMBERS)

"""Whether a heap fits: what the host and cgroups leave, what the user allows; said before anything is stopped."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from leakscope.errors import AttachError, UsageError
from leakscope.target import budget
from leakscope.target.budget import BASE_BYTES, LEAST_BYTES, Budget, plan
from leakscope.target.memory import cgroup_bytes

from .support import ANY, ROOT, running

GIB = 1 << 30
MIB = 1 << 20
V1_LIMIT = 112 * MIB


def write(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("_", ".", 1)).write_text(f"{content}\n")


def write_v1(folder: Path, limit: int, used: int, cache: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.limit_in_bytes").write_text(f"{limit}\n")
    (folder / "memory.usage_in_bytes").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"inactive_file 7\ntotal_inactive_file {cache}\ntotal_active_file 1\n")


@pytest.fixture
def process(tmp_path: Path) -> Path:
    folder = tmp_path / "proc"
    folder.mkdir()
    return folder


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    return tmp_path / "cgroup"


def test_tightest_group_of_version_2_counts_without_page_cache(process: Path, mount: Path) -> None:
    (process / "cgroup").write_text("0::/service/worker\n")
    cache = "anon 5\ninactive_file 20\nactive_file 10"
    write(mount / "service", memory_max=1000, memory_current=600, memory_stat=cache)
    write(mount / "service/worker", memory_max="max", memory_current=300, memory_stat=cache)

    assert cgroup_bytes(process, mount)[0] == 1000 - 600 + 30


def test_version_1_and_a_container_that_shows_the_names_of_its_host(process: Path, mount: Path) -> None:
    (process / "cgroup").write_text("5:cpu,cpuacct:/x\n4:memory:/docker/4f2a\n0::/\n")
    write_v1(mount / "memory", limit=5000, used=4500, cache=99)

    assert cgroup_bytes(process, mount)[1] == 5000 - 4500 + 100


def test_version_1_limit_of_the_group_itself_and_paths_out_of_the_mount(process: Path, mount: Path) -> None:
    (process / "cgroup").write_text("4:memory:/../a/b\n")
    write_v1(mount / "memory/a", limit=9000, used=0, cache=0)
    write_v1(mount / "memory/a/b", limit=500, used=800, cache=0)

    assert cgroup_bytes(process, mount)[1] == 0


def test_no_cgroups_no_limit(process: Path, mount: Path) -> None:
    assert min(cgroup_bytes(process, mount)) > 1 << 50
    (process / "cgroup").write_text("garbage\n0::/torn\n")
    write(mount / "torn", memory_max="many", memory_current=1, memory_stat="")
    assert min(cgroup_bytes(process, mount)) > 1 << 50


@pytest.fixture
def plenty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "available_bytes", lambda: 100 * GIB)


@pytest.mark.usefixtures("plenty")
def test_limits_follow_the_way_of_reading(tmp_path: Path) -> None:
    asked = Budget(folder=tmp_path)
    assert plan(GIB, "copy", asked).most_bytes == GIB * 3 // 2
    assert plan(GIB, "fork", asked).most_bytes == int(GIB * 0.6)
    assert not plan(GIB, "copy", asked).spills_copy
    assert plan(1 << 10, "copy", Budget()).folder is None, "a small heap needs no files"


@pytest.mark.usefixtures("plenty")
def test_less_memory_than_the_copy_spills_it(tmp_path: Path) -> None:
    allowed = Budget(500 * MIB, tmp_path)
    assert plan(GIB, "copy", allowed) == budget.Plan(500 * MIB, tmp_path, spills_copy=True)
    assert not plan(GIB, "fork", allowed).spills_copy, "a fork is not copied"


@pytest.mark.usefixtures("plenty")
def test_budgets_that_cannot_be_kept(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too little"):
        plan(GIB, "copy", Budget(LEAST_BYTES - 1, tmp_path))
    with pytest.raises(UsageError, match="no folder"):
        plan(GIB, "copy", Budget(folder=tmp_path / "absent"))
    with pytest.raises(UsageError, match="MiB free"):
        plan(1 << 60, "copy", Budget(folder=tmp_path))
    with pytest.raises(UsageError, match="not on a disk"):
        plan(GIB, "copy", Budget(folder=Path("/dev/shm")))


def test_what_does_not_fit_is_refused_with_ways_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(budget, "available_bytes", lambda: 800 * MIB)
    with pytest.raises(AttachError, match=r"needs 1536 MiB.*800 MiB of memory are available") as caught:
        plan(GIB, "copy", Budget(folder=tmp_path))
    assert "--pause fork" in caught.value.help and "--max-memory 256M" in caught.value.help
    assert plan(GIB, "fork", Budget(folder=tmp_path)).most_bytes < 800 * MIB
    assert plan(GIB, "copy", Budget(LEAST_BYTES, tmp_path)).most_bytes == LEAST_BYTES

    monkeypatch.setattr(budget, "available_bytes", lambda: BASE_BYTES)
    with pytest.raises(AttachError) as caught:
        plan(MIB, "copy", Budget())
    assert "--" not in caught.value.help, "no option helps"


def own_group() -> Path | None:
    """A new memory cgroup (version 1) below this process's own, where that may be made."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        own = next(path for _, kinds, path in (line.split(":", 2) for line in lines) if kinds == "memory")
        group = Path("/sys/fs/cgroup/memory") / own.lstrip("/") / f"leakscope-test-{os.getpid()}"
        group.mkdir()
    except (OSError, StopIteration):
        return None
    return group


@pytest.fixture
def small_group() -> Iterator[Path]:
    group = own_group()
    if group is None:
        pytest.skip("no memory cgroup may be made here")
    try:
        (group / "memory.limit_in_bytes").write_text(str(V1_LIMIT))
        yield group
    finally:
        group.rmdir()


def test_in_a_real_cgroup_it_says_so_before_it_starts(small_group: Path) -> None:
    with running(ANY, "known.py", "64") as target:
        enter = f"echo $$ > {small_group}/cgroup.procs; exec {sys.executable} -m leakscope top {target.pid}"
        done = subprocess.run(["sh", "-c", enter], capture_output=True, text=True, cwd=ROOT, timeout=60)

    assert done.returncode == 4, done.stderr
    message, help_line = done.stderr.splitlines()
    assert "MiB of memory are available" in message and help_line.startswith("help: ")

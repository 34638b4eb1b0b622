"""``diff`` on the bundled service while it leaks, and on what cannot be compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.commands import leakscope
from leakscope.demo.leaks import LEAKING_CLASS, LEAKS
from leakscope.demo.running import serve_rounds, service
from leakscope.errors import EXIT_INPUT
from tests.cli.support import document

ROUNDS = 4
"""Sessions that each leak keeps between two snapshots."""


@dataclass(frozen=True)
class Taken:
    files: list[Path]
    pid: int


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    """Three snapshots of the service with equal work between them; it lives on."""
    folder = tmp_path_factory.mktemp("diff")
    with service() as running:
        files = [folder / f"{number}.leakscope" for number in range(3)]
        for file in files:
            serve_rounds(running.port, ROUNDS)
            assert leakscope("snapshot", running.pid, "-o", file).returncode == 0
        yield Taken(files, running.pid)


def test_what_the_service_leaked_between_the_snapshots(taken: Taken) -> None:
    found = document("diff", *taken.files)
    per_step = ROUNDS * len(LEAKS)
    counts = [per_step, 2 * per_step, 3 * per_step]
    assert found["same_process"]
    (sessions,) = [row for row in found["sessions"]["classes"] if row["class"] == LEAKING_CLASS]
    assert (sessions["counts"], sessions["born"], sessions["gone"]) == (counts, 2 * per_step, 0)
    assert sessions["survived"] == per_step
    assert found["sessions"]["oldest_survivor_s"] > 0
    leaking = [row for row in found["clusters"] if row["class"] == LEAKING_CLASS]
    assert [row["counts"] for row in leaking] == [[ROUNDS, 2 * ROUNDS, 3 * ROUNDS]] * len(LEAKS)
    holders = {leak.marker for leak in LEAKS for row in leaking if leak.holder in row["text"]}
    assert holders == {leak.marker for leak in LEAKS}
    grown = " ".join(row["holder"] for row in found["containers"])
    assert all(leak.holder in grown for leak in LEAKS)
    (row,) = [row for row in found["classes"] if row["class"] == LEAKING_CLASS]
    assert row["counts"] == counts
    assert row["retained_delta_bytes"] > 2 * per_step * 1000


def test_the_order_is_that_of_the_capture(taken: Taken) -> None:
    first, second, third = taken.files
    done = leakscope("diff", third, first, second)
    assert done.returncode == 0
    assert "order of their capture" in done.stderr
    assert done.stdout == leakscope("diff", first, second, third).stdout


def test_since_a_snapshot(taken: Taken) -> None:
    found = document("diff", taken.files[-1], taken.pid)
    assert found["same_process"]
    assert (found["sessions"]["born"], found["sessions"]["gone"]) == (0, 0)
    assert found["snapshots"][1]["name"] == str(taken.pid)


def test_snapshots_of_two_processes(taken: Taken, tmp_path: Path) -> None:
    file = tmp_path / "other.leakscope"
    with service() as running:
        serve_rounds(running.port, ROUNDS)
        assert leakscope("snapshot", running.pid, "-o", file).returncode == 0
    found = document("diff", taken.files[0], file)
    assert not found["same_process"]
    assert found["sessions"]["born"] is None
    leaking = [row for row in found["clusters"] if row["class"] == LEAKING_CLASS]
    assert leaking == [], "both leak the same number in the same ways"
    assert "different processes" in found["notes"][0]


def test_text(taken: Taken) -> None:
    text = leakscope("diff", *taken.files).stdout
    assert f"{20:,} > {40:,} > {60:,}" in text
    for heading in ("sessions", "who holds them", "containers that grew", "classes that changed"):
        assert f"\n{heading}\n" in text
    assert all(leak.holder in text for leak in LEAKS)


def test_a_damaged_snapshot_among_them(taken: Taken, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.leakscope"
    damaged.write_bytes(taken.files[0].read_bytes()[:-5000])
    done = leakscope("diff", taken.files[0], damaged)
    assert (done.returncode, done.stdout) == (EXIT_INPUT, "")
    assert "damaged.leakscope" in done.stderr

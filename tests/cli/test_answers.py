"""Every command on the bundled service: text that names things, JSON that fits its schema and stands alone."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.commands import leakscope
from leakscope.demo.leaks import LEAKING_CLASS, LEAKS, SERVICE, line_of
from leakscope.demo.running import believed_open, serve_rounds, service
from tests.cli.support import document

ROUNDS = 7


@pytest.fixture(scope="module")
def target() -> Iterator[int]:
    """The PID of the bundled service after ``ROUNDS`` sessions for each of its features, all over."""
    with service() as running:
        serve_rounds(running.port, ROUNDS)
        assert believed_open(running.port) == 0
        yield running.pid


@pytest.fixture(scope="module")
def snapshot(target: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("answers") / "service.leakscope"
    assert leakscope("snapshot", target, "-o", path).returncode == 0
    return path


def holder_of(cluster: dict[str, Any]) -> str:
    return next((leak.marker for leak in LEAKS if leak.holder in cluster["text"]), cluster["text"])


def test_chains_finds_the_five_leaks_each_with_its_own_sessions(snapshot: Path) -> None:
    clusters = document("chains", snapshot, "--class", LEAKING_CLASS)["clusters"]
    assert {holder_of(found): found["count"] for found in clusters} == {leak.marker: ROUNDS for leak in LEAKS}
    assert len({found["fingerprint"] for found in clusters}) == len(LEAKS)
    assert all(found["retained_bytes"] > ROUNDS * 1000 for found in clusters)


def test_chains_without_a_class_is_about_sessions(snapshot: Path) -> None:
    every = document("chains", snapshot)["clusters"]
    assert {found["fingerprint"] for found in document("chains", snapshot, "--class", LEAKING_CLASS)["clusters"]} <= {
        found["fingerprint"] for found in every
    }


def test_chains_at_an_address(snapshot: Path) -> None:
    first = document("chains", snapshot, "--class", LEAKING_CLASS)["clusters"][0]
    address = first["sample_addresses"][0]
    (only,) = document("chains", snapshot, "--at", address)["clusters"]
    assert (only["count"], only["sample_addresses"]) == (1, [address])
    assert holder_of(only) == holder_of(first)


@pytest.mark.parametrize("marker", ["pending-task", "thread-frame"])
def test_a_frame_in_a_chain_has_file_and_line_of_the_service(snapshot: Path, marker: str) -> None:
    clusters = document("chains", snapshot, "--class", LEAKING_CLASS)["clusters"]
    (found,) = (cluster for cluster in clusters if holder_of(cluster) == marker)
    places = [found["root"], *found["steps"]]
    assert any(place["file"] == str(SERVICE) and place["line"] for place in places)


def test_sessions_of_a_file_and_of_a_process_agree(snapshot: Path, target: int) -> None:
    from_file, live = document("sessions", snapshot), document("sessions", target)
    for found in (from_file, live):
        (row,) = (row for row in found["classes"] if row["class"] == LEAKING_CLASS)
        assert row["count"] == ROUNDS * len(LEAKS)
    assert (from_file["source"], live["source"]) == (str(snapshot), str(target))
    assert len(document("sessions", snapshot, "--limit", 3)["items"]) == 3
    assert document("sessions", snapshot, "--class", LEAKING_CLASS)["items"][0]["class"] == LEAKING_CLASS


def test_top_counts_the_sessions(snapshot: Path) -> None:
    rows = document("top", snapshot, "--limit", 1000)["classes"]
    (row,) = (row for row in rows if row["class"] == LEAKING_CLASS)
    assert row["count"] == ROUNDS * len(LEAKS)
    assert row["retained_bytes"] > row["own_bytes"] > 0
    assert len(document("top", snapshot, "--limit", 2)["classes"]) == 2


def test_snapshot_names_its_file_and_its_cost(target: int, tmp_path: Path) -> None:
    done = leakscope("snapshot", target, "--json", cwd=tmp_path)
    facts = json.loads(done.stdout)["snapshot"]
    (file,) = tmp_path.iterdir()
    assert facts["path"] == file.name
    assert file.name.startswith(f"leakscope-{target}-")
    assert file.suffix == ".leakscope"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert facts["pid"] == target
    assert facts["pause_ms"] > 0
    assert facts["copied_bytes"] > 1_000_000
    assert facts["objects"] > 10_000
    assert facts["elapsed_s"] > 0
    assert facts["sessions"] >= ROUNDS * len(LEAKS)


def test_snapshot_without_a_pause(target: int, tmp_path: Path) -> None:
    facts = document("snapshot", target, "-o", tmp_path / "a.leakscope", "--pause", "none")["snapshot"]
    assert (facts["strategy"], facts["pause_ms"]) == ("none", 0)


def test_ps_and_doctor_know_the_service(target: int) -> None:
    (row,) = (row for row in document("ps")["processes"] if row["pid"] == target)
    assert (row["runtime"], row["supported"]) == ("cpython", True)
    assert all(check["status"] != "failed" for check in document("doctor", target)["checks"])


def test_text_names_the_holders_and_the_lines(snapshot: Path) -> None:
    told = leakscope("chains", snapshot, environment={"COLUMNS": "200"})
    assert told.stderr == ""
    assert all(leak.holder in told.stdout for leak in LEAKS)
    assert f"{SERVICE}:" in told.stdout


def test_names_stay_whole_and_the_screen_is_respected(snapshot: Path) -> None:
    for width in (80, 200):
        for name in ("sessions", "chains", "top"):
            done = leakscope(name, snapshot, environment={"COLUMNS": str(width)})
            assert done.returncode == 0, done.stderr
            assert max(map(len, done.stdout.splitlines())) <= width
            assert "\x1b" not in done.stdout


def test_secrets_stay_out_unless_they_are_asked_for(target: int, tmp_path: Path) -> None:
    masked, revealed = tmp_path / "masked.leakscope", tmp_path / "revealed.leakscope"
    assert leakscope("snapshot", target, "-o", masked).returncode == 0
    assert leakscope("snapshot", target, "-o", revealed, "--reveal").returncode == 0
    key = "chat-00000002"
    assert key not in leakscope("chains", masked, "--json").stdout
    assert key in leakscope("chains", revealed, "--json").stdout


def test_demo_walks_through_all_five_and_leaves_nothing(tmp_path: Path) -> None:
    done = leakscope("demo", environment={"TMPDIR": str(tmp_path), "COLUMNS": "80"})
    assert (done.returncode, done.stderr) == (0, "")
    for leak in LEAKS:
        assert leak.story in done.stdout
        assert f"{SERVICE.name}:{line_of(leak)}" in done.stdout
    explained = done.stdout.partition("Chain by chain")[2].splitlines()[1 : 2 * len(LEAKS) : 2]
    assert len({line.split()[0] for line in explained}) == len(LEAKS), explained
    service_pid = done.stdout.partition("PID ")[2].partition(";")[0]
    assert not Path(f"/proc/{service_pid}").exists()
    assert list(tmp_path.iterdir()) == []


def test_demo_keeps_its_files_on_request(tmp_path: Path) -> None:
    found = document("demo", "--keep", tmp_path)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["first.leakscope", "second.leakscope", "third.leakscope"]
    assert [step["command"] for step in found["documents"]] == [
        *("ps", "snapshot", "snapshot", "snapshot", "sessions", "suspects", "chains", "diff", "top"),
    ]
    growth = [step["snapshot"]["sessions"] for step in found["documents"][1:4]]
    assert growth[0] < growth[1] < growth[2]
    suspects = found["documents"][5]["suspects"]
    assert {suspect["class"] for suspect in suspects} == {LEAKING_CLASS}
    holders = " ".join(suspect["chain"] for suspect in suspects)
    assert all(leak.holder in holders for leak in LEAKS)

"""A core gives the answers that its process gave while it lived."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from leakscope.analysis.chains import cluster_chains
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.sessions import session_nodes, session_report
from leakscope.analysis.top import top_classes
from leakscope.cli.source import open_graph
from leakscope.graph.heap import HeapGraph
from tests.interpreters import Interpreter, one_per_version

from .cores import crash, gcore, may_dump
from .support import running

EVERY = 1000
"""More rows than any answer of the target has."""


class Dumped(NamedTuple):
    """One process, three times: as it lived, by gcore while it lived, and by the kernel when it crashed."""

    info: dict[str, Any]
    live: HeapGraph
    gdb: HeapGraph
    crashed: HeapGraph
    core: Path
    crash_core: Path


@pytest.fixture(scope="module", params=one_per_version(), ids=lambda interpreter: interpreter.name)
def dumped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dumped:
    interpreter: Interpreter = request.param
    folder = tmp_path_factory.mktemp("core")
    with running(interpreter.path, "dumped.py", **may_dump(folder)) as target:
        live = open_graph(str(target.pid))
        core = gcore(target.pid, folder)
        gdb = open_graph(str(core))
        crash_core, _ = crash(target, folder)
    return Dumped(target.info, live, gdb, open_graph(str(crash_core)), core, crash_core)


def items_of(graph: HeapGraph) -> list[dict[str, Any]]:
    """Each session by its address, without what time changes."""
    items = session_report(HeapIndex(graph), limit=EVERY).items
    return sorted((dataclasses.asdict(item) for item in items), key=lambda item: item["address"])


TIMES = {"age_s", "idle_s", "age_source", "flags"}


def without_times(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in item.items() if name not in TIMES} for item in items]


def chains_of(graph: HeapGraph) -> list[tuple[str, str, int, int]]:
    index = HeapIndex(graph)
    clusters = cluster_chains(index, session_nodes(graph), limit=EVERY)
    return sorted((each.fingerprint, each.text, each.count, each.retained_bytes) for each in clusters)


@pytest.mark.parametrize("which", ["gdb", "crashed"])
def test_the_same_sessions_with_the_same_ids_states_and_sizes(dumped: Dumped, which: str) -> None:
    live, core = items_of(dumped.live), items_of(getattr(dumped, which))
    count = sum("Session" in item["class_"] for item in live)
    assert count == dumped.info["sessions"] + dumped.info["slotted"]
    assert without_times(core) == without_times(live)
    assert {item["state"] for item in core} >= {"open", "closed"}


@pytest.mark.parametrize("which", ["gdb", "crashed"])
def test_the_same_chains(dumped: Dumped, which: str) -> None:
    chains = chains_of(getattr(dumped, which))
    assert chains == chains_of(dumped.live)
    told = " ".join(text for _, text, _, _ in chains)
    for holder in ("BY_ID[", "LISTED[", "QUEUED", "CLOSURE", "blocked()", "waiting()"):
        assert holder in told


@pytest.mark.parametrize("which", ["gdb", "crashed"])
def test_the_same_classes(dumped: Dumped, which: str) -> None:
    live, core = (top_classes(HeapIndex(graph), EVERY) for graph in (dumped.live, getattr(dumped, which)))
    assert core == live


def test_ages_after_gcore_are_those_of_the_process(dumped: Dumped) -> None:
    """It lives on, so that its clocks are known; only that time has passed."""
    live, core = items_of(dumped.live), items_of(dumped.gdb)
    passed = dumped.gdb.facts["captured_at"] - dumped.live.facts["captured_at"]
    assert 0 < passed < 60
    for before, after in zip(live, core, strict=True):
        for name in ("age_s", "idle_s"):
            assert (before[name] is None) == (after[name] is None)
            assert before[name] is None or abs(after[name] - before[name] - passed) < 0.2
        assert (before["age_source"], before["flags"]) == (after["age_source"], after["flags"])
    assert abs(dumped.gdb.facts["started_at"] - dumped.live.facts["started_at"]) < 0.5


def test_ages_after_a_crash_are_known_by_the_time_of_day_alone(dumped: Dumped) -> None:
    facts = dumped.crashed.facts
    assert (facts["strategy"], facts["pid"]) == ("core", dumped.info["pid"])
    if dumped.crash_core != dumped.core:
        assert (facts["started_at"], facts["monotonic_at"], facts["boottime_at"]) == (None, None, None)
    assert facts["utc_offset_s"] == dumped.live.facts["utc_offset_s"] in (3600.0, 7200.0)
    passed = facts["captured_at"] - dumped.live.facts["captured_at"]
    for before, after in zip(items_of(dumped.live), items_of(dumped.crashed), strict=True):
        assert before["age_s"] is None or abs(after["age_s"] - before["age_s"] - passed) < 0.2
        assert after["idle_s"] is None
    assert len([line for line in facts["warnings"] if "when it was taken" in line or "clocks" in line]) == 2

"""What the kernel shows of a process is counted right, and joined with the objects of its heap."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from leakscope.analysis.descriptors import join_descriptors
from leakscope.analysis.evidence import process_evidence
from leakscope.analysis.index import HeapIndex
from leakscope.cpython import read_heap
from leakscope.cpython.field_values import HeapValues
from leakscope.findings.evidence import FileHolders, ProcessEvidence, SocketHolders
from leakscope.graph.heap import HeapGraph
from leakscope.target import evidence as module
from leakscope.target.attach import capture
from leakscope.target.evidence import read_evidence
from tests.interpreters import one_per_version
from tests.truth.driver import running

STATES = {"CLOSE_WAIT": 7, "ESTABLISHED": 14, "LISTEN": 2, "unix": 4}
"""Of ``fixtures/targets/sockets.py``."""


@pytest.fixture(scope="module", params=one_per_version(), ids=lambda found: found.name)
def graph(request: pytest.FixtureRequest) -> Iterator[HeapGraph]:
    with running(request.param.path, "sockets") as target:
        image = capture(target.pid)
        facts, states = read_evidence(target.pid)
        found = read_heap(image)
        joined = join_descriptors(found, HeapValues(image, found), states)
        found.facts["process"] = {**facts, "descriptor_objects": joined}
        yield found


def evidence_of(graph: HeapGraph, index: HeapIndex | None = None) -> ProcessEvidence:
    evidence = process_evidence(graph, index)
    assert evidence is not None
    return evidence


def test_sockets_are_counted_by_state(graph: HeapGraph) -> None:
    evidence = evidence_of(graph)
    assert evidence.sockets == STATES
    assert evidence.descriptors and evidence.descriptors["sockets"] == sum(STATES.values())
    assert evidence.threads == 2
    assert evidence.held == ()


def test_sockets_belong_to_who_holds_them(graph: HeapGraph) -> None:
    """Through buffers, lists, dicts and the transports of an event loop; every socket belongs to one."""
    held = evidence_of(graph, HeapIndex(graph)).held
    assert set(held) == {
        SocketHolders("CLOSE_WAIT", "__main__.Response", 7, 7),
        SocketHolders("ESTABLISHED", "__main__.Proxy", 6, 3),
        SocketHolders("ESTABLISHED", "__main__.ChatSession", 4, 4),
        SocketHolders("ESTABLISHED", "__main__.Client", 4, 4),
        SocketHolders("LISTEN", "__main__.Listener", 1, 1),
        SocketHolders("LISTEN", "socket.socket", 1, 1),  # the server's, whom all its transports know
        SocketHolders("unix", "asyncio.unix_events._UnixSelectorEventLoop", 2, 1),
        SocketHolders("unix", "socket.socket", 2, 2),
    }
    assert [found.sockets for found in held] == sorted((found.sockets for found in held), reverse=True)


def test_files_and_pipes_belong_to_who_holds_them(graph: HeapGraph) -> None:
    """Beside them there are descriptors that only numbers know: one that ``os.open`` gave, and those of C code."""
    evidence = evidence_of(graph, HeapIndex(graph))
    assert FileHolders("files", "__main__.Transcript", 5, 5) in evidence.files_held
    assert FileHolders("pipes", "__main__.Pipe", 6, 3) in evidence.files_held
    assert evidence.descriptors and evidence.unowned
    kept = sum(found.descriptors for found in evidence.files_held if found.kind == "files")
    assert evidence.unowned["files"] == evidence.descriptors["files"] - kept == 1
    assert "sockets" not in evidence.unowned


def test_memory_adds_up(graph: HeapGraph) -> None:
    evidence = evidence_of(graph)
    assert evidence.rss_bytes and evidence.uss_bytes and evidence.anonymous_bytes and evidence.pss_bytes
    assert 0 < evidence.live_heap_bytes < evidence.anonymous_bytes < evidence.rss_bytes
    assert evidence.uss_bytes <= evidence.rss_bytes
    own = evidence.live_heap_bytes + evidence.garbage_heap_bytes
    assert evidence.other_bytes == evidence.anonymous_bytes - own


def test_no_address_and_no_file_is_kept(graph: HeapGraph) -> None:
    told = repr(graph.facts["process"])
    assert "127.0.0.1" not in told
    assert "/" not in told


def test_facts_of_a_foreign_file_are_not_trusted(graph: HeapGraph) -> None:
    """Wrong types are unknown; sockets that do not fit the heap are left out."""
    good = graph.facts["process"]
    nodes = good["descriptor_objects"]["node"]
    for odd in (None, [], "text", 7):
        graph.facts["process"] = odd
        assert process_evidence(graph) is None
    graph.facts["process"] = {
        "rss_bytes": "many",
        "threads": True,
        "swap_bytes": -1,
        "descriptors": {"sockets": 3, "files": "x"},
        "sockets": [1],
        "descriptor_objects": {
            "states": ["A", 5],
            "node": [nodes[0], -1, graph.objects, "0", nodes[1], nodes[0]],
            "state": [0, 0, 0, 0, 2, 1],
            "unowned": {"files": "many", "pipes": 2},
        },
    }
    evidence = evidence_of(graph, HeapIndex(graph))
    assert (evidence.rss_bytes, evidence.threads, evidence.swap_bytes, evidence.sockets) == (None, None, None, None)
    assert evidence.descriptors == {"sockets": 3}
    assert [(found.state, found.sockets) for found in evidence.held] == [("A", 1)]
    assert evidence.unowned == {"pipes": 2}
    graph.facts["process"] = {**good, "descriptor_objects": {"states": [], "node": {}, "state": []}}
    evidence = evidence_of(graph, HeapIndex(graph))
    assert (evidence.held, evidence.files_held, evidence.unowned) == ((), (), None)
    graph.facts["process"] = good


def test_kinds_of_descriptors() -> None:
    """In this process, by the difference that a few more make."""
    before, _ = read_evidence(os.getpid())
    ends = os.pipe()
    left, right = socket.socketpair()
    udp, fresh = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
    udp.bind(("127.0.0.1", 0))
    with left, right, udp, fresh, Path(os.devnull).open() as device, Path(__file__).open() as file:
        after, states = read_evidence(os.getpid())
        assert [states[each.fileno()] for each in (left, right, udp, fresh)] == ["unix", "unix", "udp", "other"]
        assert (states[device.fileno()], states[file.fileno()], states[ends[0]]) == ("devices", "files", "pipes")
    for end in ends:
        os.close(end)
    more = {kind: number - before["descriptors"].get(kind, 0) for kind, number in after["descriptors"].items()}
    assert {kind: number for kind, number in more.items() if number} == {
        "devices": 1,
        "files": 1,
        "pipes": 2,
        "sockets": 4,
    }
    assert after["descriptors_limit"] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_a_process_that_is_gone_has_no_evidence() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    facts, states = read_evidence(done.pid)
    assert set(facts.values()) == {None}
    assert states == {}


@pytest.mark.parametrize(
    ("line", "files", "expected"),
    [
        ("0::/app/web", {"app/memory.max": "1000", "app/memory.current": "900"}, (1000, 900)),
        (
            "0::/app",
            {"app/memory.max": "max", "app/memory.current": "5", "memory.max": "70", "memory.current": "6"},
            (70, 6),
        ),
        (
            "5:cpu,memory:/a",
            {"memory/a/memory.limit_in_bytes": "300", "memory/a/memory.usage_in_bytes": "200"},
            (300, 200),
        ),
        (
            "4:memory:/a",
            {"memory/a/memory.limit_in_bytes": str(2**63 - 4096), "memory/a/memory.usage_in_bytes": "1"},
            None,
        ),
        ("0::/../../elsewhere", {}, None),
        ("1:name=systemd:/", {}, None),
    ],
)
def test_limits_of_control_groups(
    line: str,
    files: dict[str, str],
    expected: tuple[int, int] | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    monkeypatch.setattr(module, "CGROUPS", tmp_path)
    assert module.tightest_limit(line + "\n") == expected

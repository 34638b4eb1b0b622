"""A real Tomcat by its PID: sessions that are ended and kept are named first, exactly; the sound twin passes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fixtures.commands import ROOT, leakscope
from tests.jvm.conftest import Server, Tomcat
from tests.render.test_documents import schema

SESSION = "org.apache.catalina.session.StandardSession"
CUSTOMERS = 40
NAMES = {
    "map": ("class container", ["shop.Audit", ".BY_ID"]),
    "listener": ("listener list", [".feed", ".listeners", ".session"]),
    "threadlocal": ("thread local", [".threadLocals[shop.Current.SESSIONS]"]),
}
"""By leak its kind, and what its chain must name."""


def asked(*arguments: object, code: int = 0) -> dict[str, Any]:
    done = leakscope(*arguments, "--json")
    assert done.returncode == code, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(document, schema(document["command"]))
    return document


def step(server: Tomcat) -> str:
    """One round of work, as a command."""
    work = f'from tests.jvm.conftest import Tomcat; Tomcat(0, "{server.url}").serve(10)'
    return f"cd '{ROOT}' && '{sys.executable}' -c '{work}'"


def dumps_left() -> Iterable[Path]:
    return [path for folder in ("/tmp", "/var/tmp") for path in Path(folder).glob("leakscope-dump-*")]


@pytest.mark.parametrize("leak", NAMES)
def test_ended_sessions_that_are_kept_are_named_first(tomcat: Server, leak: str, tmp_path: Path) -> None:
    with tomcat(leak) as server:
        server.serve(CUSTOMERS)
        taken = tmp_path / "tomcat.leakscope"
        facts = asked("snapshot", server.pid, "-o", taken)["snapshot"]
    assert (facts["pid"], facts["runtime"], facts["strategy"]) == (server.pid, "jvm", "jcmd")
    (first,) = asked("suspects", taken)["suspects"]
    kind, names = NAMES[leak]
    assert (first["kind"], first["class"], first["count"]) == (kind, SESSION, CUSTOMERS)
    assert all(name in first["chain"] for name in names), first["chain"]
    sessions = asked("sessions", taken)
    (row,) = sessions["classes"]
    assert (row["class"], row["count"], row["closed_retained"]) == (SESSION, CUSTOMERS, CUSTOMERS)
    assert all(0 <= item["age_s"] < 120 and item["ttl_s"] == 1800 for item in sessions["items"])
    assert not list(dumps_left())


def test_the_sound_twin_passes_the_gate_live(tomcat: Server) -> None:
    with tomcat("sound") as server:
        verdict = asked("gate", "--pid", server.pid, "--rounds", 3, "--settle", "0s", "--step", step(server))
        assert (verdict["verdict"], verdict["violations"]) == ("pass", [])
        assert asked("suspects", server.pid)["suspects"] == []


def test_the_gate_starts_the_service_itself(class_path: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Tomcat(0, f"http://127.0.0.1:{port}")
    service = ("--run", f"java -Xmx64m -cp '{class_path}' shop.App map {port}", "--ready", f"^{port}$")
    options = ("--rounds", 2, "--settle", "0s", "--retry-after", "0s")
    verdict = asked("gate", *service, *options, "--step", step(server), code=1)
    found = {(each["rule"], each["class"], each["found"]) for each in verdict["violations"]}
    assert found == {("closed-retained", SESSION, 20), ("growth", SESSION, 10)}


def test_a_dump_says_what_the_process_said(tomcat: Server, tmp_path: Path) -> None:
    """The dump that jcmd writes by hand, read as a file, packed, and converted."""
    dump, converted = tmp_path / "heap.hprof", tmp_path / "heap.leakscope"
    with tomcat("map") as server:
        server.serve(CUSTOMERS)
        subprocess.run(["jcmd", str(server.pid), "GC.heap_dump", str(dump)], check=True, capture_output=True)
        live = asked("suspects", server.pid)["suspects"][0]
    asked("snapshot", dump, "-o", converted)
    for source in (dump, converted):
        first = asked("suspects", source)["suspects"][0]
        assert {name: first[name] for name in ("class", "count", "fingerprint", "holder")} == {
            name: live[name] for name in ("class", "count", "fingerprint", "holder")
        }

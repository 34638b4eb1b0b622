"""Real servers of Node, with the libraries that users have: each leak is named first and exactly, sound ones pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fixtures.commands import leakscope
from tests.node.conftest import EACH, ROUNDS, Snapshots
from tests.privacy.test_masking import decoded
from tests.render.test_documents import schema

# The leak, what is leaked, the kind of its holder, and how the holder is called behind the script's name.
LEAKS = [
    ("sessions.js", "map", "Session", "object container", "tracker.sessions"),
    ("sessions.js", "object", "Session", "object container", "tracker.byName"),
    ("sessions.js", "array", "Session", "object container", "tracker.recent"),
    ("sessions.js", "listener", "Session", "listener list", "bus._events.logout"),
    ("sessions.js", "closure", "Session", "closure", "pending"),
    ("services.mjs", "express", "express-session.Session", "module container", "audit"),
    ("services.mjs", "ws", "ws.WebSocket", "module container", "clients"),
    ("services.mjs", "socketio", "socket.io.Socket", "module container", "online"),
    ("services.mjs", "undici", "undici.Client", "module container", "upstreams"),
    ("services.mjs", "http2", "http2.ServerHttp2Session", "module container", "connected"),
    ("services.mjs", "requests", "http.ServerResponse", "listener list", "shutdown._events.shutdown"),
]


def asked(name: str, *arguments: object, code: int = 0) -> dict[str, Any]:
    done = leakscope(name, *arguments, "--json")
    assert done.returncode == code, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    if name != "gate":
        jsonschema.validate(document, schema(name))
    return document


@pytest.mark.parametrize(("program", "leak", "class_", "kind", "holder"), LEAKS)
def test_a_leak_is_named_first_with_class_holder_and_count(
    snapshots: Snapshots, program: str, leak: str, class_: str, kind: str, holder: str
) -> None:
    first = asked("suspects", *snapshots(program, leak))["suspects"][0]
    assert (first["class"], first["count"], first["kind"]) == (class_, ROUNDS * EACH, kind)
    assert first["growth_per_step"] == EACH
    assert first["holder"].endswith(f"/{program}.{holder}")


def test_timers_that_keep_sessions_are_said_to_be_timers(snapshots: Snapshots) -> None:
    first = asked("suspects", *snapshots("sessions.js", "timer"))["suspects"][0]
    assert (first["class"], first["count"], first["kind"]) == ("Session", ROUNDS * EACH, "timer")
    assert "cell 'session'" in first["chain"]


@pytest.mark.parametrize("program", ["sessions.js", "services.mjs"])
def test_a_sound_server_passes(snapshots: Snapshots, program: str) -> None:
    files = snapshots(program, "none")
    assert asked("suspects", *files)["suspects"] == []
    assert asked("gate", *files)["verdict"] == "pass"


def test_the_gate_fails_by_name_and_diff_counts_what_grew(snapshots: Snapshots) -> None:
    files = snapshots("services.mjs", "ws")
    violations = asked("gate", *files, code=1)["violations"]
    assert "ws.WebSocket" in {each["class"] for each in violations}
    sessions = {row["class"]: row for row in asked("diff", *files)["sessions"]["classes"]}
    assert sessions["ws.WebSocket"]["counts"] == [EACH, 2 * EACH, 3 * EACH, 4 * EACH]


@pytest.mark.parametrize(
    ("leak", "class_"),
    [(leak, class_) for program, leak, class_, *_ in LEAKS if program == "services.mjs"],
)
def test_rules_know_which_are_closed(snapshots: Snapshots, leak: str, class_: str) -> None:
    classes = {row["class"]: row for row in asked("sessions", snapshots("services.mjs", leak)[-1])["classes"]}
    row = classes[class_]
    assert row["closed_retained"] == ROUNDS * EACH
    assert row["count"] - row["closed_retained"] <= 1  # the request that is answered with the snapshot


def test_ids_of_sessions_are_masked_in_what_is_said_and_in_what_is_kept(snapshots: Snapshots, tmp_path: Path) -> None:
    dump, converted = snapshots("sessions.js", "object")[-1], tmp_path / "small.leakscope"
    assert b"secret-session" in dump.read_bytes()
    done = leakscope("snapshot", dump, "-o", converted)
    assert done.returncode == 0, done.stderr
    assert converted.stat().st_size < dump.stat().st_size / 2
    answers = [leakscope(name, source) for name in ("suspects", "sessions", "chains") for source in (dump, converted)]
    assert all(answer.returncode == 0 and "secret-session" not in answer.stdout for answer in answers)
    assert answers[0].stdout == answers[1].stdout
    assert not any(b"secret-session" in table for table in decoded(converted).values())

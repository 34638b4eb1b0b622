"""A real Go server: its leaks are named first, its sound form passes, and every command says what it can say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fixtures.commands import leakscope
from tests.go.conftest import Server
from tests.render.test_documents import schema

Taken = Callable[[str, str, int], list[Path]]


def asked(*arguments: object, code: int = 0) -> dict[str, Any]:
    done = leakscope(*arguments, "--json")
    assert done.returncode == code, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    if document["command"] != "gate":
        jsonschema.validate(document, schema("profile"))
    return document


def test_a_leak_is_named_first_with_exact_counts_where_all_was_looked_at(server: Server, taken: Taken) -> None:
    with server("-leak", "tracker", "-rate", "1") as url:
        files = taken(url, "heap", 500)
    first = asked("suspects", *files)["suspects"][0]
    assert (first["kind"], first["site"]["function"]) == ("allocation site", "main.newSession")
    # For each session itself, its id, and its data.
    assert first["growth_per_step"] == 3 * 500
    (violation, *_) = asked("gate", *files, code=1)["violations"]
    assert (violation["rule"], violation["class"]) == ("growth", "main.newSession")


def test_a_sampled_leak_is_named_and_said_to_be_an_estimate(server: Server, taken: Taken) -> None:
    with server("-leak", "tracker") as url:
        files = taken(url, "heap", 20_000)
    told = leakscope("suspects", *files)
    assert "main.newSession" in told.stdout.splitlines()[0]
    assert "Counts are estimates" in told.stdout
    assert asked("top", files[-1])["sites"][0]["function"] == "main.newSession"
    change = asked("diff", files[0], files[-1])["sites"][0]
    assert (change["function"], len(change["counts"])) == ("main.newSession", 2)


def test_goroutines_that_never_end_are_counted(server: Server, taken: Taken) -> None:
    with server("-leak", "goroutine") as url:
        files = taken(url, "goroutine", 50)
    first = asked("suspects", *files)["suspects"][0]
    assert (first["kind"], first["growth_per_step"]) == ("goroutines", 50)
    assert first["site"]["function"] == "main.(*Tracker).watch"
    assert first["site"]["counts"] == [50, 100, 150, 200]


@pytest.mark.parametrize("kind", ["heap", "goroutine"])
def test_the_sound_server_passes(server: Server, taken: Taken, kind: str) -> None:
    with server() as url:
        files = taken(url, kind, 5000)
    assert asked("suspects", *files)["suspects"] == []
    assert asked("gate", *files)["verdict"] == "pass"


def test_what_a_profile_cannot_answer_is_one_line(server: Server, taken: Taken, tmp_path: Path) -> None:
    with server() as url:
        heap, goroutine = taken(url, "heap", 1)[0], taken(url, "goroutine", 1)[0]
    other = tmp_path / "a.leakscope"
    other.write_bytes(b"x")
    for code, arguments in (
        (3, ("sessions", heap)),
        (3, ("chains", heap)),
        (3, ("diff", heap, goroutine)),
        (2, ("suspects", heap, other)),
    ):
        done = leakscope(*arguments)
        assert done.returncode == code
        assert done.stdout == ""
        assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["leakscope", "help"]


def test_a_profile_is_taken_by_its_url_and_a_pid_says_so(server: Server, tmp_path: Path) -> None:
    with server("-leak", "tracker", "-rate", "1") as url:
        taken = tmp_path / "heap.pb.gz"
        done = leakscope("snapshot", f"{url}/debug/pprof/heap?debug=1", "-o", taken, "--json")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        jsonschema.validate(document, schema("snapshot"))
        assert (document["snapshot"]["runtime"], document["snapshot"]["strategy"]) == ("go", "profile")
        assert taken.stat().st_mode & 0o777 == 0o600
        assert leakscope("top", taken).returncode == 0
        for code, words in ((2, ("top", f"{url}/debug/pprof/heap")), (2, ("snapshot", f"{url}/debug/pprof/trace"))):
            said = leakscope(*words)
            assert (said.returncode, said.stdout, said.stderr.count("\n")) == (code, "", 2)
        (pid,) = [
            row["pid"]
            for row in json.loads(leakscope("ps", "--json").stdout)["processes"]
            if row["command"] == "sessions"
        ]
        said = leakscope("suspects", pid)
        assert said.returncode == 4
        assert f"leakscope snapshot {url}/debug/pprof/heap" in said.stderr

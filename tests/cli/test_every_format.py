"""Every command on every kind of source: it answers, by its schema, or says in one line why it cannot."""

from __future__ import annotations

import gzip
import json
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from leakscope.cli import main
from tests.formats import hprof_made, v8_made
from tests.formats.profiles import heap

ANSWER, BAD, CANNOT = 0, 3, 3
SESSIONS = 3


def _jvm() -> bytes:
    made = hprof_made.Made()
    session = made.class_("org.apache.catalina.session.StandardSession", id="L", isValid="Z", expiring="Z")
    owner = made.class_("app.Main")
    for number in range(SESSIONS):
        made.static(owner, f"OPEN_{number}", made.object(session))
    return made.content()


def _v8() -> bytes:
    made = v8_made.Made()
    for number in range(SESSIONS):
        made.held(f"tracker{number}", "Tracker", last=made.node("object", "Session"))
    return made.content()


def _profile() -> bytes:
    return heap(([("main.newSession", "main.go", 8), ("main.main", "main.go", 20)], 500, 4096))


CONTENTS = {
    "app.hprof": _jvm,
    "app.hprof.gz": lambda: gzip.compress(_jvm()),
    "app.heapsnapshot": _v8,
    "heap.pb.gz": lambda: gzip.compress(_profile()),
    "heap.pb": _profile,
    "phd": lambda: b"\0\x12portable heap dump" + bytes(64),
    "android.hprof": lambda: b"JAVA PROFILE 1.0.3\0" + bytes(64),
    "go.dump": lambda: b"go1.7 heap dump\n" + bytes(64),
    "program": lambda: Path("/bin/true").read_bytes(),
    "empty": lambda: b"",
    "text": lambda: b"to be or not to be\n" * 9,
    "archive": lambda: b"PK\x03\x04" + bytes(64),
}
COMMANDS = {
    "sessions": ("sessions", "{}"),
    "chains": ("chains", "{}"),
    "top": ("top", "{}"),
    "suspects": ("suspects", "{}"),
    "diff": ("diff", "{}", "{}"),
    "gate": ("gate", "{}", "{}"),
    "snapshot": ("snapshot", "{}", "-o", "out.leakscope"),
    "rules": ("rules", "--check", "{}"),
}
HEAPS = ("app.hprof", "app.hprof.gz", "app.heapsnapshot", "app.leakscope")
PROFILES = ("heap.pb.gz", "heap.pb")
ON_PROFILES = ("top", "suspects", "diff", "gate")
SCHEMAS = {(command, source): "profile" for command in ON_PROFILES for source in PROFILES if command != "gate"}
FLAGGED = {("gate", source) for source in HEAPS[:2]} | {("gate", "app.leakscope")}
"""What is closed and held fails the gate."""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one file of each kind."""
    folder = tmp_path_factory.mktemp("sources")
    for name, content in CONTENTS.items():
        (folder / name).write_bytes(content())
    with pytest.raises(SystemExit) as ended:
        main.main(["snapshot", str(folder / "app.hprof"), "-o", str(folder / "app.leakscope")])
    assert ended.value.code == 0
    return folder


def expected(command: str, source: str) -> int:
    """The exit code."""
    if source in HEAPS:
        if (command, source) == ("snapshot", "app.leakscope"):
            return CANNOT
        return 1 if (command, source) in FLAGGED else ANSWER
    return ANSWER if source in PROFILES and command in ON_PROFILES else BAD


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("source", [*CONTENTS, "app.leakscope"])
def test_each_answers_or_says_why_not(
    sources: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    source: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main.main([*(word.format(sources / source) for word in COMMANDS[command]), "--json"])
    said = capsys.readouterr()
    assert ended.value.code == expected(command, source), said.err
    if ended.value.code == BAD:
        assert said.out == ""
        assert [line.partition(":")[0] for line in said.err.splitlines()] == ["leakscope", "help"]
        assert list(tmp_path.iterdir()) == []
        return
    document = json.loads(said.out)
    schema = SCHEMAS.get((command, source), command)
    jsonschema.validate(
        document, json.loads(resources.files("leakscope.render").joinpath("schemas", f"{schema}.json").read_text())
    )
    assert said.err == ""


@pytest.mark.parametrize("command", ["sessions", "chains", "top", "suspects", "snapshot", "rules"])
def test_a_url_of_nobody(capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str) -> None:
    """Those that take the address of an inspector say that nobody answers there."""
    capsys.readouterr()
    words = [word.format("http://127.0.0.1:1") for word in COMMANDS[command][:2]]
    more = {"rules": ["http://127.0.0.1:1"], "snapshot": ["-o", str(tmp_path / "x.leakscope")]}.get(command, [])
    with pytest.raises(SystemExit) as ended:
        main.main([*words, *more])
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (4, "")
    assert said.err.startswith("leakscope: http://127.0.0.1:1/json/list does not answer: Connection refused\nhelp: ")


@pytest.mark.parametrize("words", [["diff", "{}", "{}"], ["gate", "{}"], ["top", "{}/debug/pprof/heap"]])
def test_a_url_where_a_snapshot_is_meant(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main.main([word.format("http://127.0.0.1:1") for word in words])
    said = capsys.readouterr()
    assert ended.value.code in (2, 3, 4), said.err
    assert len(said.err.splitlines()) == 2
    assert said.out == ""

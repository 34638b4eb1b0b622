"""Secrets planted all over a live process: no 8 characters of any are in a snapshot, a document or a text."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fixtures.commands import leakscope
from fixtures.targets import secrets_everywhere
from leakscope.cli.main import COMMANDS
from leakscope.errors import EXIT_CLEAN, EXIT_FLAGGED
from tests.catalogue.servers import redis
from tests.interpreters import one_per_version
from tests.privacy.secrets_made import KINDS, digits, found_in_bytes, found_in_text, pieces
from tests.store.support import tell
from tests.truth.driver import TARGETS, Target

OUTSIDE = ("environment", "command_line")
FEWEST = 200
RULES = """
[[session]]
name = "login"
title = "login session"
class = "__main__.LoginSession"
id = ["token", "session_id", "user"]
state = ["status", "state", "closed"]
created = "created_at"
used = "last_used"
ttl = "ttl"
closed = "closed == 'yes' or len(token) > 0"

[[session]]
name = "login-dict"
title = "login session in a dict"
keys = ["session_id", "token"]
id = "['session_id']"
state = "['state']"
created = "['created_at']"
"""
"""Of somebody who lets leakscope look at the very fields that hold secrets."""


@dataclass(frozen=True)
class Planted:
    """A process full of secrets."""

    pid: int
    by_place: dict[str, list[str]]
    pieces: set[str]
    snapshot: Path
    earlier: Path

    def places_of(self, found: set[str]) -> dict[str, list[str]]:
        """Where the secrets were planted of which something was found."""
        return {
            place: [secret for secret in secrets if any(piece in secret for piece in found)]
            for place, secrets in self.by_place.items()
            if any(piece in secret for secret in secrets for piece in found)
        }


def made_secrets(seed: int) -> dict[str, list[str]]:
    """One of each kind for each place."""
    source = random.Random(seed)
    by_place = {name: [kind(source) for kind in KINDS] for name in [*secrets_everywhere.PLACES, *OUTSIDE]}
    by_place["numbers"] = [digits(source) for _ in KINDS]
    assert sum(map(len, by_place.values())) >= FEWEST
    return by_place


@pytest.fixture(scope="module", params=one_per_version(), ids=lambda found: found.name)
def planted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    by_place = made_secrets(20261121)
    inside = {name: secrets for name, secrets in by_place.items() if name not in OUTSIDE}
    environment = {f"SECRET_{number}": secret for number, secret in enumerate(by_place["environment"])}
    process = subprocess.Popen(
        [request.param.path, TARGETS / "secrets_everywhere.py", "--password", *by_place["command_line"]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUTF8": "1", **environment},
    )
    assert process.stdin
    process.stdin.write(json.dumps(inside).encode() + b"\n")
    process.stdin.flush()
    folder = tmp_path_factory.mktemp("masking")
    earlier, path = folder / "earlier.leakscope", folder / "planted.leakscope"
    try:
        target = Target(process)
        assert target.facts["planted"] == sum(map(len, inside.values()))
        for file in (earlier, path):
            done = leakscope("snapshot", target.pid, "-o", file)
            assert done.returncode == EXIT_CLEAN, done.stderr
        every = pieces(secret for secrets in by_place.values() for secret in secrets)
        yield Planted(target.pid, by_place, every, path, earlier)
    finally:
        process.kill()
        with contextlib.suppress(BrokenPipeError):
            process.communicate()


def test_the_search_finds_a_piece_wherever_it_is() -> None:
    """In clear, escaped, as bytes in any place; and nothing where there is nothing."""
    secret = "päss的密码会话wörd-0123456"
    wanted = pieces([secret])
    for text in (
        f"a {secret[3:11]}",
        json.dumps(secret[2:10]),
        secret[1:9].encode("ascii", "backslashreplace").decode(),
    ):
        assert found_in_text(text, wanted)
    for shift in range(9):
        assert found_in_bytes(b"x" * shift + secret.encode()[8:17] + b"yy", wanted)
    assert not found_in_text(secret[:7] + " " + secret[8:15], wanted)
    assert not found_in_bytes(b"x" * 100 + secret.encode()[-7:], wanted)


def test_rules_read_the_fields_that_hold_secrets(planted: Planted, tmp_path: Path) -> None:
    """Else nothing would be shown that their answers hide."""
    (tmp_path / "rules.toml").write_text(RULES)
    done = leakscope("sessions", planted.pid, "--rules", tmp_path / "rules.toml", "--limit", "10000", "--json")
    items = json.loads(done.stdout)["items"]
    for rule in ("login", "login-dict"):
        mine = [item for item in items if item["rule"] == rule]
        assert len({item["id"] for item in mine if item["id"]}) >= len(KINDS)
        assert len({item["state"] for item in mine if item["state"]}) >= len(KINDS)


def test_the_secrets_can_be_found_where_the_user_asks_for_them(planted: Planted, tmp_path: Path) -> None:
    """``--reveal`` shows keys and ids: so they are in the heap as they should be, and the search sees them."""
    path = tmp_path / "revealed.leakscope"
    assert leakscope("snapshot", planted.pid, "-o", path, "--reveal").returncode == EXIT_CLEAN
    found = {piece for raw in decoded(path).values() for piece in found_in_bytes(raw, planted.pieces)}
    assert {"key_of_instance", "key_in_a_class", "key_built", "session_id"} <= set(planted.places_of(found))


def test_no_piece_is_in_the_snapshot(planted: Planted) -> None:
    raw = {"file": planted.snapshot.read_bytes(), **decoded(planted.snapshot)}
    found = {name: planted.places_of(found_in_bytes(content, planted.pieces)) for name, content in raw.items()}
    assert {name: places for name, places in found.items() if places} == {}


def decoded(path: Path) -> dict[str, bytes]:
    """The bytes of each member of the file, and of each column as it is once read."""
    with zipfile.ZipFile(path) as container:
        members = {name: container.read(name) for name in container.namelist()}
    columns = {
        f"{name}:{column}": plain(table.column(column))
        for name, content in members.items()
        if name.endswith(".parquet")
        for table in [pq.read_table(io.BytesIO(content))]
        for column in table.column_names
    }
    return {**members, **columns}


def plain(column: pa.ChunkedArray) -> bytes:
    """The values one behind the other."""
    if pa.types.is_string(column.type):
        return "\n".join(column.to_pylist()).encode("utf-8", "surrogatepass")
    return bytes(column.to_numpy().tobytes())


ASKED: dict[str, list[str]] = {
    "ps": ["", "--json"],
    "doctor": ["{pid}", "{pid} --json"],
    "snapshot": ["{pid} -o {folder}/again.leakscope", "{pid} -o {folder}/again.leakscope --json"],
    "sessions": [
        "{file} --all --limit 10000",
        "{pid} --all --limit 10000 --json",
        "{pid} --rules {rules} --limit 10000",
    ],
    "chains": ["{pid}", "{file} --json", "{file} --class *Login* --limit 1000", "{file} --class str --json"],
    "top": ["{file}", "{pid} --limit 10000 --json"],
    "suspects": ["{pid}", "{file} {file} --json"],
    "diff": ["{file} {earlier}", "{file} {earlier} --json"],
    "rules": ["--rules {rules} --check {pid}", "--check {file} --json"],
    "gate": [
        "{file} {file} {file} --json",
        "{file} {file} {file} --max-sessions *=0 --report sarif={folder}/s --report junit={folder}/j"
        " --report markdown={folder}/m --report github={folder}/g --report json={folder}/o",
    ],
    "store": ["{store} --snapshot {file} --limit 10000", "{store} --match *:* --snapshot {file} --json"],
    "demo": [],
}
"""By command. The demo reads a service of its own."""


@pytest.fixture(scope="module")
def store(planted: Planted) -> Iterator[str]:
    """A Redis whose keys and values are secrets, none with an expiry."""
    secrets = [secret for secrets in planted.by_place.values() for secret in secrets]
    with redis() as url:
        tell(url, *(("SET", f"session:{secret}", secret) for secret in secrets))
        yield url


CASES = [f"{command.__name__} {line}" for command in COMMANDS for line in ASKED[command.__name__]]
PAIRS = [
    pytest.param(interpreter, line, id=f"{interpreter.name}-{line}")
    for interpreter in one_per_version()
    for line in CASES
    if "{pid}" in line or interpreter == one_per_version()[-1]
]
"""Of files one interpreter's: none of them holds a piece."""


@pytest.mark.parametrize(("planted", "line"), PAIRS, indirect=["planted"], scope="module")
def test_no_piece_is_in_an_answer(planted: Planted, store: str, line: str, tmp_path: Path) -> None:
    """Standard output, standard error, what ``--json`` says once it is decoded, and files that are written."""
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    words = {
        "rules": rules,
        "pid": planted.pid,
        "file": planted.snapshot,
        "earlier": planted.earlier,
        "folder": tmp_path,
        "store": store,
    }
    done = leakscope(*(word.format(**words) for word in line.split()), environment={"COLUMNS": "1000"})
    assert done.returncode in (EXIT_CLEAN, EXIT_FLAGGED), done.stderr
    assert done.stdout
    texts = [done.stdout, done.stderr, *(path.read_text(errors="replace") for path in tmp_path.iterdir())]
    if "--json" in line:
        texts.append(json.dumps(json.loads(done.stdout), ensure_ascii=False))
    assert planted.places_of({piece for text in texts for piece in found_in_text(text, planted.pieces)}) == {}

"""Servers that are not there, refuse, redirect or lie: one clear line each, and never a password in it."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.commands import leakscope
from leakscope.errors import StoreError
from leakscope.store import connection
from leakscope.store.address import Address
from leakscope.store.connection import Connection
from tests.catalogue.servers import free_port, redis
from tests.cli.support import document
from tests.store.support import Words, answering, listing, plain, snapshot_of, tell


def complaint(*arguments: object, code: int = 3) -> str:
    """The two lines of a refusal."""
    done = leakscope("store", *arguments)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert 1 <= len(done.stderr.splitlines()) <= 2
    assert "secret" not in done.stderr
    return done.stderr


def test_no_server() -> None:
    assert "no server answers at redis://127.0.0.1" in complaint(f"redis://user:secret@127.0.0.1:{free_port()}")
    assert "no server answers" in complaint("redis://no-such-host.invalid")


def test_passwords(server: str) -> None:
    tell(server, ("ACL", "SETUSER", "reader", "on", ">right", "~*", "+@all"), ("SET", "a", "x"))
    assert "refuses the password" in complaint(server.replace("//", "//reader:secret@"))
    with redis() as locked:
        tell(locked, ("CONFIG", "SET", "requirepass", "pass word"))
        assert "NOAUTH" in complaint(locked)
        assert "REDISCLI_AUTH" in complaint(locked)
        assert "refuses the password" in complaint(locked.replace("//", "//:secret@"))
        assert leakscope("store", locked.replace("//", "//:pass%20word@")).returncode == 0
        assert leakscope("store", locked, environment={"REDISCLI_AUTH": "pass word"}).returncode == 0


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Path]]:
    """The plain and the TLS URL of one server, and the certificate that it signed itself."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "server.crt", folder / "server.key"
    making = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    making += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(making, check=True, capture_output=True)
    port = free_port()
    options = ["--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    options += ["--tls-ca-cert-file", str(certificate), "--tls-auth-clients", "optional"]
    with redis(*options) as url:
        yield url, f"rediss://127.0.0.1:{port}", certificate


def test_tls(encrypted: tuple[str, str, Path]) -> None:
    plain_url, tls_url, certificate = encrypted
    tell(plain_url, ("SET", "session:a", "x"))
    assert document("store", tls_url, "--cacert", certificate)["keys"]["keys"] == 1
    assert "self-signed certificate" in complaint(tls_url)
    assert "no TLS connection" in complaint(plain_url.replace("redis:", "rediss:"))
    assert "ended the connection" in complaint(tls_url.replace("rediss:", "redis:"))
    assert "no TLS connection" in complaint(tls_url, "--cacert", certificate.with_name("none.crt"))


def test_a_server_that_demands_a_certificate(encrypted: tuple[str, str, Path]) -> None:
    plain_url, tls_url, certificate = encrypted
    tell(plain_url, ("CONFIG", "SET", "tls-auth-clients", "yes"), ("SET", "session:a", "x"))
    try:
        assert "--cert FILE --key FILE" in complaint(tls_url, "--cacert", certificate)
        own = ("--cert", certificate, "--key", certificate.with_suffix(".key"))
        assert document("store", tls_url, "--cacert", certificate, *own)["keys"]["keys"] == 1
    finally:
        tell(plain_url, ("CONFIG", "SET", "tls-auth-clients", "optional"))


def test_a_node_of_a_cluster_shows_its_own_keys_and_says_so(tmp_path: Path) -> None:
    options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with redis(*options) as url:
        told = document("store", url)
        assert told["keys"]["warnings"] == ["only the keys of this node are seen: it is one of a cluster"]
        file = snapshot_of(["a"], tmp_path / "a.leakscope")
        assert "one node of a cluster" in complaint(url, "--snapshot", file)


@pytest.mark.parametrize("word", [b"MOVED", b"ASK"])
def test_a_redirect_names_where_to_ask(word: bytes) -> None:
    def moved(words: Words) -> bytes:
        if words[0] == b"SCAN":
            return listing(b"session:a")
        return b"-%b 866 10.1.2.3:6380\r\n" % word if words[0] == b"TTL" else plain(words)

    with answering(moved) as url:
        told = complaint(url)
    assert "sends us on to 10.1.2.3:6380" in told and "redis://10.1.2.3:6380" in told


def test_a_key_that_vanishes_is_counted_and_not_flagged() -> None:
    def vanishing(words: Words) -> bytes:
        if words[0] == b"SCAN":
            return listing(b"gone", b"half", b"kept")
        if words[1:] == [b"gone"] or words[-1] == b"gone":
            return {b"TTL": b":-2\r\n", b"TYPE": b"+none\r\n"}.get(words[0], b"$-1\r\n")
        if words[-1] == b"half" and words[0] in (b"OBJECT", b"MEMORY"):
            return b"$-1\r\n"
        return plain(words)

    with answering(vanishing) as url:
        told = document("store", url)
    assert (told["keys"]["keys"], told["keys"]["vanished"], told["keys"]["flagged"]) == (2, 1, 0)


def test_a_key_that_is_named_twice_counts_once() -> None:
    def twice(words: Words) -> bytes:
        if words[0] == b"SCAN":
            return listing(b"a", b"b", cursor=b"7") if words[1] == b"0" else listing(b"b", b"c")
        return plain(words)

    with answering(twice) as url:
        assert document("store", url)["keys"]["keys"] == 3


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak Redis's protocol"),
        (b"*2\r\n:0\r\n:0\r\n", "does not speak Redis's protocol"),
        (b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "does not speak Redis's protocol"),
        (b"*999999999\r\n", "does not speak Redis's protocol"),
        (b"*2\r\n$1\r\n0\r\n*1\r\n$999999999\r\n", "is 999999999 bytes long"),
        (b":" + b"9" * 70_000 + b"\r\n", "cut off"),
        (b"$x\r\n", "does not speak Redis's protocol"),
        (b"-NOPERM no permission to run scan\r\n", "+scan"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "LOADING"),
        (b"-ERR \x1b[2J\r\n", "\\x1b[2J"),
        (b"", "ended the connection"),
    ],
)
def test_servers_that_lie_or_refuse(reply: bytes, says: str) -> None:
    with answering(lambda words: reply if words[0] == b"SCAN" else plain(words)) as url:
        assert says in complaint(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://:secret@localhost",
        "localhost:6379",
        "redis://:secret@localhost:x",
        "redis://h:99999",
        "redis://h/a",
        "redis://h/0?password=secret",
        "redis://h/-1",
    ],
)
def test_what_is_no_url_of_a_store(url: str) -> None:
    assert "redis://" in complaint(url, code=2)


def test_options_that_do_not_fit(tmp_path: Path) -> None:
    assert "go with rediss://" in complaint("redis://localhost", "--cacert", tmp_path / "x", code=2)
    assert "--key goes with --cert" in complaint("rediss://localhost", "--key", tmp_path / "x", code=2)
    assert "--rate" in complaint("redis://localhost", "--rate", "0", code=2)
    assert "cannot" in complaint("redis://localhost", "--snapshot", tmp_path / "none.leakscope")


def test_no_command_that_writes_leaves_the_client(server: str) -> None:
    parts = server.removesuffix("/0").rpartition(":")
    with Connection(Address("127.0.0.1", int(parts[2]), 0, tls=False)) as connection:
        for command in (b"SET", b"DEL", b"KEYS", b"EVAL", b"FLUSHALL", b"GET", b"MEMORY PURGE", b"OBJECT FREQ"):
            with pytest.raises(ValueError, match="only read"):
                connection.ask([(command, b"a")])


def test_a_server_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SECONDS", 0.2)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Connection(Address("127.0.0.1", listener.getsockname()[1], 0, tls=False)) as asked,
        pytest.raises(StoreError, match="timed out"),
    ):
        asked.value(b"DBSIZE")

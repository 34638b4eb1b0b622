"""``leakscope store`` on a real server: what it finds, what it shows of it, and that it only reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from fixtures.commands import leakscope
from leakscope.store.masks import mask_of
from tests.cli.support import document
from tests.store.support import snapshot_of, tell


def keys_of(told: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {item["key"]: tuple(item["flags"]) for item in told["keys"]["items"]}


def masked(text: str) -> str:
    return f"#{mask_of(text.encode()):012x}"


def test_keys_without_expiry_are_flagged_and_masked(server: str) -> None:
    tell(server, ("SET", "session:secret", "x"), ("SET", "session:sound", "x", "EX", "60"), ("SET", "other", "x"))
    told = document("store", server, "--match", "session:*")
    assert told["keys"]["keys"] == 2
    assert keys_of(told) == {f"session:{masked('secret')}": ("no-expiry",)}
    assert told["source"] == server
    (row,) = told["keys"]["types"]
    assert (row["type"], row["count"], row["no_expiry"], row["idle"], row["unknown"]) == ("string", 2, 1, None, None)
    assert row["bytes"] > 0
    text = leakscope("store", server).stdout
    assert "3 keys, 2 flagged" in text and "secret" not in text and "other" not in text
    assert "session:secret" in leakscope("store", server, "--reveal").stdout


def test_idle_keys_are_flagged_and_looking_is_no_use(server: str) -> None:
    tell(server, ("SET", "session:a", "x", "EX", "60"))
    assert document("store", server, "--idle-longer-than", "1h")["keys"]["flagged"] == 0
    told = document("store", server, "--idle-longer-than", "0s")
    assert [item["flags"] for item in told["keys"]["items"]] == [["idle"]]
    assert told["keys"]["types"][0]["idle"] == 1


def test_types_under_one_pattern_are_told_apart(server: str) -> None:
    tell(
        server,
        *(("HSET", f"session:{number}", "user", "1") for number in range(45)),
        ("SET", "session:lock", "1"),
        ("RPUSH", "session:queue", "1"),
        ("ZADD", "session:ages", "1", "a"),
        ("XADD", "session:events", "*", "a", "b"),
        ("SADD", "session:all", "a"),
    )
    told = document("store", server, "--match", "session:*", "--limit", "7")
    counts = {row["type"]: row["count"] for row in told["keys"]["types"]}
    assert counts == {"hash": 45, "string": 1, "list": 1, "zset": 1, "stream": 1, "set": 1}
    assert told["keys"]["keys"] == told["keys"]["flagged"] == 50
    assert len(told["keys"]["items"]) == 7


def test_binary_and_hostile_keys_steer_no_terminal(server: str) -> None:
    names = [b"session:\x00\xff\xfe", b"session:\x1b[2Jgone\r\n", "session:‮txt".encode(), b"", b"k" * 100_000]
    tell(server, *(("SET", name, "x") for name in names))
    told = document("store", server, "--reveal")
    shown = {item["key"] for item in told["keys"]["items"]}
    assert {"session:\x00\\xff\\xfe", "session:\x1b[2Jgone\r\n", ""} <= shown
    assert max(map(len, shown)) < 300
    text = leakscope("store", server, "--reveal").stdout
    assert "\x1b" not in text and "\r" not in text and "‮" not in text
    assert "\\x1b[2Jgone\\x0d\\x0a" in text
    assert "gone" not in leakscope("store", server).stdout


def test_copies_without_an_original_and_keys_that_nobody_knows(server: str, tmp_path: Path) -> None:
    whole = "session:whole"
    file = snapshot_of(["kept", "lost", whole], tmp_path / "a.leakscope")
    tell(server, *(("SET", name, "x", "EX", "60") for name in ("session:kept", whole, "session:stranger")))
    told = document("store", server, "--match", "session:*", "--snapshot", file)
    (row,) = told["copies"]
    assert (row["class"], row["count"], row["in_store"], row["gone"]) == ("__main__.ChatSession", 3, 2, 1)
    assert row["snapshot"] == "a.leakscope" and told["gone"] == 1
    (cluster,) = told["clusters"]
    assert cluster["count"] == 1 and cluster["text"].startswith("__main__.LOCAL")
    assert keys_of(told) == {f"session:{masked('stranger')}": ("unknown-to-processes",)}
    assert told["keys"]["unknown_fresh"] in (0, 1)
    without_pattern = document("store", server, "--snapshot", file)
    assert without_pattern["copies"] == told["copies"]


def test_two_processes_share_what_is_known(server: str, tmp_path: Path) -> None:
    files = [snapshot_of(ids, tmp_path / f"{ids[0]}.leakscope") for ids in (["a", "b"], ["c"])]
    tell(server, *(("SET", f"s:{name}", "x", "EX", "60") for name in ("a", "c")))
    told = document("store", server, "--match", "s:*", "--snapshot", files[0], "--snapshot", files[1])
    assert told["keys"]["flagged"] == 0
    assert [(row["snapshot"], row["gone"]) for row in told["copies"]] == [("a.leakscope", 1), ("c.leakscope", 0)]
    text = leakscope("store", server, "--match", "s:*", "--snapshot", files[0]).stdout
    assert "1 copy lives on without an original" in text and "what ended since counts as gone" in text
    assert leakscope("store", server, "--snapshot", files[0], "--fail").returncode == 1
    assert leakscope("store", server, "--match", "nothing:*", "--fail").returncode == 0


def test_an_empty_store_and_another_database(server: str) -> None:
    assert document("store", server)["keys"]["keys"] == 0
    tell(server, ("SELECT", "3"), ("SET", "a", "x"))
    told = document("store", server.removesuffix("/0") + "/3")
    assert (told["database"], told["keys"]["keys"]) == (3, 1)


def test_only_commands_that_read_reach_the_server_and_no_value_leaves_it(server: str, tmp_path: Path) -> None:
    file = snapshot_of(["kept"], tmp_path / "a.leakscope")
    tell(server, ("HSET", "session:kept", "token", "the-value"), ("CONFIG", "RESETSTAT"))
    done = leakscope("store", server, "--match", "session:*", "--snapshot", file, "--reveal", "--json")
    (told,) = tell(server, ("INFO", "commandstats"))
    used = set(re.findall(rb"cmdstat_([a-z|]+):", told)) - {b"config|resetstat"}
    assert used == {b"scan", b"ttl", b"type", b"object|idletime", b"memory|usage", b"dbsize", b"info"}
    assert "the-value" not in done.stdout + done.stderr and "token" not in done.stdout


def test_the_rate_is_kept(server: str) -> None:
    tell(server, *(("SET", f"session:{number}", "x", "EX", "60") for number in range(200)))
    slow = document("store", server, "--rate", "200")
    assert slow["keys"]["keys"] == 200
    assert slow["keys"]["elapsed_s"] > 0.5


def test_idle_times_that_the_server_does_not_keep_are_said_to_be_unknown(server: str) -> None:
    tell(server, ("SET", "a", "x"), ("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"))
    try:
        told = document("store", server, "--idle-longer-than", "0s")
    finally:
        tell(server, ("CONFIG", "SET", "maxmemory-policy", "noeviction"))
    assert told["keys"]["types"][0]["idle"] is None
    assert [line.partition(":")[0] for line in told["keys"]["warnings"]] == ["idle times are not known"]
    assert keys_of(told) == {masked("a"): ("no-expiry",)}


@pytest.mark.parametrize("missing", ["object|idletime", "memory|usage"])
def test_a_user_with_fewer_rights_gets_the_rest(server: str, missing: str) -> None:
    rights = {"+scan", "+ttl", "+type", "+object|idletime", "+memory|usage", "+auth"} - {f"+{missing}"}
    tell(server, ("SET", "a", "x"), ("ACL", "SETUSER", "lesser", "on", ">word", "~*", "-@all", *sorted(rights)))
    told = document("store", server.replace("//", "//lesser:word@"))
    assert told["keys"]["flagged"] == 1
    (warning,) = told["keys"]["warnings"]
    assert "NOPERM" in warning
    assert told["source"] == server

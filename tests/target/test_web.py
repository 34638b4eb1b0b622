"""Services that are asked by URL and do not answer as they should: each is told in a line, none is believed."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from leakscope.errors import AttachError, InputError, LeakscopeError, UsageError
from leakscope.target import inspector, urls, web

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
Talk = Callable[[socket.socket, bytes], None]


@contextlib.contextmanager
def server(*talks: Talk) -> Iterator[str]:
    """Takes one connection for each talk, hands it what was asked; the address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for talk in talks:
                with contextlib.suppress(OSError):
                    connection, _ = listening.accept()
                    with connection:
                        talk(connection, connection.recv(1 << 16))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield "{}:{}".format(*listening.getsockname())
        listening.close()
        thread.join(5)


def says(content: bytes) -> Talk:
    return lambda connection, _: connection.sendall(content)


def listed(host: str = "elsewhere.example:1") -> Talk:
    """The list of an inspector that says that it is at ``host``."""
    return says(OK + json.dumps([{"webSocketDebuggerUrl": f"ws://{host}/id"}]).encode())


def socketed(*frames: bytes, listens: bool = False) -> Talk:
    """A websocket that sends ``frames`` once it was asked something, and then hangs up or ``listens``."""

    def talk(connection: socket.socket, asked: bytes) -> None:
        key = next(line[19:] for line in asked.decode().split("\r\n") if line.startswith("Sec-WebSocket-Key: "))
        accepted = base64.b64encode(
            hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        ).decode()
        upgrade = "Upgrade: websocket\r\nConnection: Upgrade"
        connection.sendall(f"HTTP/1.1 101 Yes\r\n{upgrade}\r\nSec-WebSocket-Accept: {accepted}\r\n\r\n".encode())
        connection.recv(1 << 16)
        for frame in frames:
            connection.sendall(frame)
        while listens and connection.recv(1 << 16):
            pass

    return talk


def frame(content: bytes | dict[str, object], first: int = 0x81, claimed: int | None = None) -> bytes:
    content = json.dumps(content).encode() if isinstance(content, dict) else content
    return struct.pack(">BBQ", first, 127, len(content) if claimed is None else claimed) + content


def chunk(text: str) -> dict[str, object]:
    return {"method": "HeapProfiler.addHeapSnapshotChunk", "params": {"chunk": text}}


DONE: dict[str, object] = {"id": 1, "result": {}}


def taken(address: str) -> bytes:
    with inspector.dumped(f"http://{address}") as path:
        return path.read_bytes()


def test_a_snapshot_comes_in_pieces_however_they_are_framed() -> None:
    whole = json.dumps(chunk("b\ud800")).encode()
    frames = (
        frame(b"are you there", first=0x89),
        frame(chunk("a")),
        frame({"method": "HeapProfiler.resetProfiles"}),
        frame(whole[:9], first=0x01),
        frame(b"still", first=0x89),
        frame(whole[9:], first=0x80),
        frame(DONE),
    )
    with server(listed(), socketed(*frames, listens=True)) as address:
        assert taken(address) == b"ab\xed\xa0\x80"


@pytest.mark.parametrize(
    ("talk", "message"),
    [
        (socketed(), "broke off"),
        (socketed(frame(b"", first=0x88)), "ended before the heap snapshot did"),
        (socketed(frame(b"{no json")), "what no Node sends"),
        (socketed(frame(b"[1]")), "what no Node sends"),
        (socketed(frame({"method": "HeapProfiler.addHeapSnapshotChunk"})), "what no Node sends"),
        (socketed(frame({"id": 1, "error": {"message": "no"}})), "takes no heap snapshot: no"),
        (socketed(frame(b"x", claimed=1 << 62)), "broke off: .*too big"),
        (socketed(frame(b"x", first=0xC1)), "broke off: .*protocol error"),
        (says(b"HTTP/1.1 101 Yes\r\nSec-WebSocket-Accept: mine\r\n\r\n"), "something else than an inspector"),
        (says(b"x" * (1 << 20)), "something else than an inspector"),
    ],
)
def test_an_inspector_that_lies(talk: Talk, message: str) -> None:
    with server(listed(), talk) as address, pytest.raises(AttachError, match=message):
        taken(address)


def test_a_message_without_an_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspector, "MOST_BYTES", 1000)
    pieces = [frame(b"x" * 600, first=0x01), frame(b"x" * 600, first=0x00)]
    with server(listed(), socketed(*pieces)) as address, pytest.raises(AttachError, match="too big"):
        taken(address)


@pytest.mark.parametrize("answer", [b"[]", b"{}", b"<html>", b'[{"webSocketDebuggerUrl": 7}]'])
def test_a_list_that_is_none(answer: bytes) -> None:
    with server(says(OK + answer)) as address, pytest.raises(AttachError, match="neither the inspector of a Node nor"):
        taken(address)


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"HTTP/1.1 302 Over there\r\nLocation: http://127.0.0.1:1/\r\n\r\n", AttachError, "sends elsewhere"),
        (b"HTTP/1.1 403 No\r\n\r\n", AttachError, "answers 403 No"),
        (b"SSH-2.0-OpenSSH\r\n", AttachError, "broke off|does not answer"),
        (b"", AttachError, "broke off|does not answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc", AttachError, "broke off"),
        (OK + b"x" * 101, InputError, "answers with more than"),
    ],
)
def test_what_is_no_profile_is_not_followed_or_read(content: bytes, kind: type[LeakscopeError], message: str) -> None:
    with server(says(content)) as address, pytest.raises(kind, match=message):
        web.fetched(f"http://{address}/debug/pprof/heap", most=100)


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = "{}:{}".format(*listening.getsockname())
        monkeypatch.setattr(web, "TIMEOUT_S", 0.1)
        with pytest.raises(AttachError, match="timed out"):
            web.fetched(f"http://{address}/")
    with pytest.raises(AttachError, match="Connection refused"):
        web.fetched(f"http://{address}/")


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://h:1/debug/pprof/heap", "http://h:1/debug/pprof/heap?gc=1"),
        ("https://h/x/debug/pprof/allocs?debug=1&a=b#f", "https://h/x/debug/pprof/allocs?a=b&gc=1"),
        ("http://h:1/debug/pprof/goroutine?debug=2", "http://h:1/debug/pprof/goroutine"),
    ],
)
def test_profiles_are_asked_for_in_binary_after_a_collection(url: str, asked: str) -> None:
    assert urls.names_profile(url)
    assert urls.profile_url(url) == asked


@pytest.mark.parametrize(
    "url", ["http://h/debug/pprof/profile", "http://h/debug/pprof/", "http://[::1", "http://", "http://h:x/"]
)
def test_what_is_no_url_of_a_profile(url: str) -> None:
    with pytest.raises(UsageError):
        urls.profile_url(url)

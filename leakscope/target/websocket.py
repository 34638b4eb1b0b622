"""The little of a websocket's client (RFC 6455) that an inspector needs: text in both directions, one at a time."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket
import ssl
import struct
import urllib.parse
from collections.abc import Iterator
from typing import BinaryIO

from leakscope.errors import AttachError
from leakscope.target.web import parts_of

MOST_BYTES = 1 << 28
"""Of one message: an inspector sends a heap in pieces of some hundred kilobytes."""
_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUED, _TEXT, _CLOSE, _PING, _PONG = 0, 1, 8, 9, 10
_HEAD_LIMIT = 1 << 14


class WebSocket:
    """An open connection. Use ``connected``."""

    def __init__(self, connection: socket.socket, stream: BinaryIO) -> None:
        self._connection = connection
        self._stream = stream

    def send(self, text: str) -> None:
        """One message."""
        self._send(_TEXT, text.encode())

    def messages(self) -> Iterator[bytes]:
        """Messages in their order, until the other side ends. AttachError for what is no websocket's."""
        parts: list[bytes] = []
        size = 0
        while True:
            code, last, payload = self._frame()
            if code == _PING:
                self._send(_PONG, payload)
            elif code == _CLOSE:
                return
            elif code in (_CONTINUED, _TEXT):
                size += len(payload)
                _require(size <= MOST_BYTES, "a message longer than any inspector's")
                parts.append(payload)
                if last:
                    yield b"".join(parts)
                    parts, size = [], 0

    def _frame(self) -> tuple[int, bool, bytes]:
        first, second = self._read(2)
        _require(not first & 0x70 and not second & 0x80, "a frame that no server sends")
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self._read(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self._read(8))
        _require(length <= MOST_BYTES, "a frame longer than any inspector's")
        return first & 0x0F, bool(first & 0x80), self._read(length)

    def _read(self, count: int) -> bytes:
        content = self._stream.read(count)
        _require(len(content) == count, "nothing more: it broke off")
        return content

    def _send(self, code: int, payload: bytes) -> None:
        """Whatever a client sends is masked; a mask of zeros is one, and hides nothing from anybody."""
        length = len(payload)
        head = struct.pack(">BB", 0x80 | code, 0x80 | length) if length < 126 else b""
        if not head:
            head = struct.pack(">BBQ", 0x80 | code, 0x80 | 127, length)
        self._connection.sendall(head + bytes(4) + payload)


@contextlib.contextmanager
def connected(url: str, timeout_s: float) -> Iterator[WebSocket]:
    """A websocket to ``ws://HOST:PORT/PATH`` or ``wss://``. AttachError if there is none."""
    parts = parts_of(url)
    address = parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)
    try:
        with contextlib.ExitStack() as stack:
            connection: socket.socket = stack.enter_context(socket.create_connection(address, timeout_s))
            if parts.scheme == "wss":
                context = ssl.create_default_context()
                connection = stack.enter_context(context.wrap_socket(connection, server_hostname=address[0]))
            stream = stack.enter_context(connection.makefile("rb"))
            _shake_hands(connection, stream, parts)
            yield WebSocket(connection, stream)
    except OSError as error:
        raise AttachError(
            f"{parts.scheme}://{parts.netloc} does not answer: {error.strerror or error}",
            "Was Node started with --inspect, on this port?",
        ) from error


def _shake_hands(connection: socket.socket, stream: BinaryIO, parts: urllib.parse.SplitResult) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    path = urllib.parse.quote(parts.path or "/", safe="/%") + (f"?{parts.query}" if parts.query else "")
    connection.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode(
            "latin-1", "replace"
        )
    )
    status = stream.readline(_HEAD_LIMIT)
    fields: dict[str, str] = {}
    while (line := stream.readline(_HEAD_LIMIT).strip()) and len(fields) < 100:
        name, _, value = line.decode("latin-1").partition(":")
        fields[name.strip().lower()] = value.strip()
    accepted = base64.b64encode(hashlib.sha1((key + _MAGIC).encode(), usedforsecurity=False).digest()).decode()
    _require(b" 101 " in status and fields.get("sec-websocket-accept") == accepted, "something else than a websocket")


def _require(sound: bool, what: str) -> None:
    if not sound:
        raise AttachError(f"The inspector sent {what}", "Is it a Node's inspector? It lists itself at /json/list.")

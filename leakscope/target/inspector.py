"""A heap snapshot through the inspector of a Node (``--inspect``), at a URL that the user names."""

from __future__ import annotations

import contextlib
import json
import tempfile
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, WebSocketException
from websockets.sync.client import ClientConnection, connect

from leakscope.errors import AttachError, DumpError, InputError
from leakscope.target.dump_folder import free_bytes, readable
from leakscope.target.urls import parts_of
from leakscope.target.web import TIMEOUT_S, fetched

LIMIT_S = 600.0
"""Without a byte: the whole heap is looked at before the first is sent."""
MOST_BYTES = 1 << 28
"""Of one message: an inspector sends a heap in pieces of some hundred kilobytes."""
_REQUEST = 1
_CLOSE_S = 1.0
_LIST_BYTES = 1 << 20
_LEAVE_FREE = 64 << 20
_CHECK_BYTES = 16 << 20
_NO_INSPECTOR = "Start Node with --inspect, and name its address: leakscope snapshot http://127.0.0.1:9229"


@contextlib.contextmanager
def dumped(url: str) -> Iterator[Path]:
    """The heap snapshot of the Node behind ``http://HOST:PORT`` or ``ws://HOST:PORT/ID``, in a file without a name.

    AttachError if that is no inspector, InputError if there is no room.
    """
    with tempfile.TemporaryFile(prefix="leakscope-") as file:
        with _connected(_socket_url(url)) as inspector:
            _ask(inspector, file)
        file.flush()
        yield readable(file.fileno())


def _socket_url(url: str) -> str:
    """Where the first program that the inspector lists can be asked, on the host that the user named."""
    parts = parts_of(url)
    if parts.scheme in ("ws", "wss"):
        return url
    try:
        listed = json.loads(
            fetched(urllib.parse.urlunsplit((parts.scheme, parts.netloc, "/json/list", "", "")), _LIST_BYTES)
        )
        path: str = urllib.parse.urlsplit(listed[0]["webSocketDebuggerUrl"]).path
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DumpError(
            f"{url} is neither the inspector of a Node nor a profile of Go",
            f"{_NO_INSPECTOR}; for Go: http://HOST:PORT/debug/pprof/heap",
        ) from error
    return urllib.parse.urlunsplit(("wss" if parts.scheme == "https" else "ws", parts.netloc, path, "", ""))


@contextlib.contextmanager
def _connected(url: str) -> Iterator[ClientConnection]:
    """Without pings: while Node looks at its heap it answers none."""
    where = urllib.parse.urlsplit(url).netloc
    try:
        with connect(
            url, compression=None, proxy=None, open_timeout=TIMEOUT_S, ping_interval=None, close_timeout=_CLOSE_S,
            max_size=MOST_BYTES,
        ) as inspector:  # fmt: skip
            yield inspector
    except ConnectionClosed as error:
        raise AttachError(f"The inspector at {where} broke off: {error}", "Does the Node still run?") from error
    except WebSocketException as error:
        raise AttachError(
            f"{where} is something else than an inspector: {error}", "A Node's inspector lists itself at /json/list."
        ) from error
    except OSError as error:
        raise AttachError(
            f"{where} does not answer: {error.strerror or error}", "Was Node started with --inspect, on this port?"
        ) from error


def _messages(inspector: ClientConnection) -> Iterator[bytes]:
    """Until the other side ends."""
    with contextlib.suppress(ConnectionClosedOK):
        while True:
            yield inspector.recv(LIMIT_S, decode=False)


def _ask(inspector: ClientConnection, file: BinaryIO) -> None:
    """Writes the pieces of the snapshot into ``file``."""
    inspector.send(
        json.dumps({"id": _REQUEST, "method": "HeapProfiler.takeHeapSnapshot", "params": {"reportProgress": False}})
    )
    written = checked = 0
    for message in _messages(inspector):
        piece = _piece(message)
        if piece is None:
            return
        written += file.write(piece)
        if written - checked > _CHECK_BYTES:
            checked = written
            _require_room(file)
    raise DumpError("The inspector ended before the heap snapshot did", "Does the Node still run?")


def _piece(message: bytes) -> bytes | None:
    """What a message has of the snapshot; None from the one that says that this was all."""
    try:
        said = json.loads(message)
        if "error" in said:
            raise DumpError(f"The inspector takes no heap snapshot: {said['error']['message']}", _NO_INSPECTOR)
        if said.get("id") == _REQUEST:
            return None
        chunk = said["params"]["chunk"] if said.get("method") == "HeapProfiler.addHeapSnapshotChunk" else ""
        return bytes(chunk.encode("utf-8", "surrogatepass"))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DumpError("The inspector sent what no Node sends", _NO_INSPECTOR) from error


def _require_room(file: BinaryIO) -> None:
    if free_bytes(file.fileno()) < _LEAVE_FREE:
        raise InputError(
            f"there is no room left in {tempfile.gettempdir()} for the heap snapshot",
            "Set TMPDIR to a folder with more room.",
        )

"""A connection to Redis that can only read: its commands are on a short list, and no other leaves it.

Redis's protocol needs one function to write a command and one to read a reply, so there is no library behind this.
A general client builds objects for each of the millions of replies; this one reads a batch in a tenth of the time.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from leakscope.errors import StoreError
from leakscope.store.address import PASSWORD_VARIABLE, Address

Command = tuple[bytes, ...]
Reply = Any
"""bytes, int, None, a list of replies, or ``Refused``."""

READ_ONLY = frozenset(
    {b"AUTH", b"SELECT", b"INFO", b"DBSIZE", b"SCAN", b"TTL", b"TYPE", b"OBJECT IDLETIME", b"MEMORY USAGE"}
)
"""All that is ever sent."""
SECONDS = 10.0
LONGEST_LINE = 1 << 16
LARGEST_TEXT = 1 << 24
"""A key that is longer than 16 MiB ends the scan rather than leakscope's memory."""
LONGEST_LIST = 1 << 20
DEEPEST = 3


@dataclass(frozen=True)
class Refused:
    """An error that the server answered."""

    message: str

    @property
    def code(self) -> str:
        """Its first word: ``NOPERM``, ``MOVED`` ..."""
        return self.message.partition(" ")[0]


@dataclass(frozen=True)
class Tls:
    """Files of a certificate authority that is trusted, and of a certificate to show; None: the system's, none."""

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class Connection:
    """One connection, open until the end of its ``with`` block. Every trouble is a StoreError."""

    def __init__(self, address: Address, tls: Tls | None = None) -> None:
        tls = tls or Tls()
        self._address = address
        self._shows_none = address.tls and tls.certificate is None
        self._socket = _connected(address, tls)
        self._file = self._socket.makefile("rb", 1 << 16)
        try:
            self._log_in()
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._close()

    def ask(self, commands: Sequence[Command]) -> list[Reply]:
        """All commands in one write, then all replies, in their order. ValueError for a command that might write."""
        for command in commands:
            if command[0] not in READ_ONLY:
                raise ValueError(f"{command[0]!r} is not on the list of commands that only read")
        try:
            self._socket.sendall(b"".join(map(_written, commands)))
            return [self._reply() for _ in commands]
        except (OSError, EOFError) as error:
            demands = "It may demand a certificate: --cert FILE --key FILE. " if self._shows_none else ""
            raise StoreError(
                f"{self._address.url} ended the connection: {_reason(error)}", f"{demands}See the server's log."
            ) from None

    def value(self, *command: bytes) -> Reply:
        """One reply; StoreError where the server refuses."""
        (reply,) = self.ask([command])
        if isinstance(reply, Refused):
            raise refusal(reply, self._address)
        return reply

    def _log_in(self) -> None:
        address = self._address
        if address.password is not None:
            names = [address.user.encode()] if address.user else []
            (reply,) = self.ask([(b"AUTH", *names, address.password.encode())])
            if isinstance(reply, Refused):
                raise StoreError(
                    f"{address.url} refuses the password{' of this user' if names else ''}: {reply.code}",
                    f"Set {PASSWORD_VARIABLE}, or write redis://user:password@host.",
                )
        if address.database:
            self.value(b"SELECT", b"%d" % address.database)

    def _reply(self, depth: int = 0) -> Reply:
        line = self._file.readline(LONGEST_LINE)
        if not line.endswith(b"\r\n"):
            raise EOFError("the reply is cut off") if line else EOFError("no reply")
        kind, rest = line[:1], line[1:-2]
        if kind == b":":
            return self._number(rest)
        if kind == b"+":
            return rest
        if kind == b"$":
            return self._text(self._number(rest))
        if kind == b"-":
            return Refused(rest.decode("utf-8", "replace"))
        if kind == b"*" and depth < DEEPEST:
            length = self._number(rest)
            if length <= LONGEST_LIST:
                return None if length < 0 else [self._reply(depth + 1) for _ in range(length)]
        raise self._no_redis()

    def _text(self, length: int) -> bytes | None:
        if length < 0:
            return None
        if length > LARGEST_TEXT:
            raise StoreError(f"a key of {self._address.url} is {length} bytes long", "Leave it out with --match.")
        data: bytes = self._file.read(length + 2)
        if len(data) < length + 2:
            raise EOFError("the reply is cut off")
        return data[:-2]

    def _number(self, text: bytes) -> int:
        try:
            return int(text)
        except ValueError:
            raise self._no_redis() from None

    def _no_redis(self) -> StoreError:
        return StoreError(f"{self._address.url} does not speak Redis's protocol", "Is that the right port?")

    def _close(self) -> None:
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._socket.close()


def refusal(reply: Refused, address: Address) -> StoreError:
    """What a user is told about an error of the server."""
    if reply.code in ("MOVED", "ASK"):
        where = reply.message.split(" ")[-1]
        return StoreError(
            f"{address.url} is a node of a cluster and sends us on to {where}",
            f"Ask that node: {'rediss' if address.tls else 'redis'}://{where}",
        )
    helps = {
        "NOAUTH": f"Set {PASSWORD_VARIABLE}, or write redis://user:password@host.",
        "NOPERM": "The user needs +scan +ttl +type +object|idletime +memory|usage and the keys (~*).",
        "LOADING": "Wait until the server has read its data.",
        "CLUSTERDOWN": "Ask again when the cluster is whole.",
        "MASTERDOWN": "Ask the master, or allow replica-serve-stale-data.",
    }
    return StoreError(f"{address.url} refuses: {reply.message}", helps.get(reply.code, ""))


def _connected(address: Address, tls: Tls) -> socket.socket:
    try:
        plain = socket.create_connection((address.host, address.port), timeout=SECONDS)
    except OSError as error:
        raise StoreError(
            f"no server answers at {address.url}: {_reason(error)}", "Is it running, and is the port right?"
        ) from None
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not address.tls:
        return plain
    try:
        return _context(tls).wrap_socket(plain, server_hostname=address.host)
    except (OSError, ValueError) as error:
        plain.close()
        raise StoreError(
            f"{address.url} and leakscope found no TLS connection: {_reason(error)}",
            "redis:// if the server has no TLS; --cacert FILE for its own authority; --cert and --key if it wants one.",
        ) from None


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(tls.authority) if tls.authority else None)
    if tls.certificate:
        context.load_cert_chain(tls.certificate, tls.key)
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return str(error)


def _written(command: Command) -> bytes:
    """``MEMORY USAGE`` and the like are two words on the wire."""
    words = [*command[0].split(b" "), *command[1:]]
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])

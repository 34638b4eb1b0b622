"""``redis://user:password@host:port/database`` -> where and as whom to connect; passwords are never shown."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from leakscope.errors import UsageError

PORT = 6379
PASSWORD_VARIABLE = "REDISCLI_AUTH"
"""The variable that redis-cli reads: a password in an argument stands in the list of processes."""
_HELP = "As in redis://host:6379/0, or rediss:// for TLS."


@dataclass(frozen=True)
class Address:
    """A Redis server and a database of it."""

    host: str
    port: int
    database: int
    tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """What may be shown: without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.database}"


def parse_address(url: str) -> Address:
    """UsageError for whatever is no such URL; its text is not repeated, it may hold a password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageError("that is no URL of a Redis server", _HELP) from None
    if parts.scheme not in ("redis", "rediss"):
        raise UsageError("a store's URL begins with redis:// or rediss://", _HELP)
    if parts.query or parts.fragment:
        raise UsageError("a store's URL has nothing behind the number of its database", _HELP)
    password = unquote(parts.password) if parts.password else os.environ.get(PASSWORD_VARIABLE)
    return Address(
        host=parts.hostname or "localhost",
        port=PORT if port is None else port,
        database=_database(parts),
        tls=parts.scheme == "rediss",
        user=unquote(parts.username) if parts.username else None,
        password=password or None,
    )


def _database(parts: SplitResult) -> int:
    path = parts.path.strip("/")
    if path and not re.fullmatch(r"[0-9]{1,6}", path):
        raise UsageError("a store's URL ends in the number of its database", _HELP)
    return int(path or 0)

"""The last rule: a class whose name says session is one, with the fields that such classes usually have."""

from __future__ import annotations

from collections.abc import Iterator

from leakscope.sessions.rules import Field, Rule

CLOSED_WORDS = ("closed", "CLOSED", "Closed", "disconnected", "DISCONNECTED", "terminated", "expired", "EXPIRED")


def _fields(*names: str) -> tuple[Field, ...]:
    """Each name, and with a leading underscore."""
    return tuple(Field(path) for name in names for path in _spellings(name))


def _spellings(name: str) -> Iterator[str]:
    yield name
    if not name.startswith("_"):
        yield f"_{name}"


GUESS = Rule(
    name="guess",
    title="object whose class is named like a session",
    source="leakscope",
    guess=True,
    id=_fields("session_id", "sessionId", "sid", "id", "key"),
    created=_fields(
        "created_at", "created", "creation_time", "start_time", "started_at", "connected_at", "opened_at",
        "createdAt", "creationTime", "startTime", "startedAt", "connectedAt", "openedAt",
    ),
    used=_fields(
        "last_used", "last_used_at", "last_active", "last_activity", "last_seen", "last_access", "last_accessed_at",
        "updated_at", "lastUsed", "lastUsedAt", "lastAccessedTime", "lastAccessTime", "lastActivity", "lastSeen",
        "updatedAt",
    ),
    expires=_fields("expires_at", "expires", "expiry", "expire_at", "expiresAt"),
    ttl=_fields("ttl"),
    state=_fields("state", "status"),
    closed=" or ".join(
        (
            *(f"{name} == True" for name in ("closed", "_closed", "is_closed", "_is_closed", "isClosed")),
            "isValid == False",
            *(f"{name} in {CLOSED_WORDS!r}" for name in ("state", "_state", "status", "_status")),
        )
    ),
)  # fmt: skip
"""Reads no token or password, and no ``timeout``: that is how long one request may take."""

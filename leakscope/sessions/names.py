"""Which classes are sessions, guessed from their names alone.

A name is read word by word (``WebSocketServerProtocol``: web socket server
protocol). What counts is what the thing *is*, so its last word: a
``SessionManager`` is a manager, a ``ConnectionError`` an error. A guess: a
service's own word for its sessions must be told (``--class``).
"""

from __future__ import annotations

import re

SESSION_WORDS = frozenset({"session", "connection", "client", "websocket"})
"""A class whose name ends with one of these opens something for somebody."""

WEBSOCKET_ROLES = frozenset({"protocol", "handler", "connection", "client"})
"""What libraries call one websocket's end: ``WebSocketServerProtocol``, ``WebSocketHandler``."""

NO_SESSIONS = frozenset({"scoped_session", "sqlalchemy.orm.scoping.scoped_session"})
"""Names that end like a session's and are none: SQLAlchemy's registry of sessions."""

NOT_INSTANCES = ("BaseException", "type", "enum.Enum")
"""Classes whose instances are never sessions, whatever they are called."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def says_session(class_name: str) -> bool:
    """Whether ``module.QualName`` says session, connection, client or websocket."""
    last = class_name.rpartition(".")[2]
    if class_name in NO_SESSIONS or last in NO_SESSIONS:
        return False
    words = _words(last)
    if not words:
        return False
    return words[-1] in SESSION_WORDS or ("websocket" in words and words[-1] in WEBSOCKET_ROLES)


def _words(name: str) -> list[str]:
    """Lower-case words of a CamelCase or snake_case name; ``web socket`` is one, digits at the end are none."""
    words = [word.lower() for word in _WORD.findall(name)]
    while words and words[-1].isdigit():
        words.pop()
    joined: list[str] = []
    for word in words:
        if word == "socket" and joined and joined[-1] == "web":
            joined[-1] = "websocket"
        else:
            joined.append(word)
    return joined

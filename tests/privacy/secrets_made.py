"""Secrets of the kinds that services keep, and the search for any piece of them."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterable

import numpy as np

PIECE = 8
"""Characters of a secret that must not be found together."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ALPHABET = _LETTERS + _LETTERS.upper() + "0123456789"
_UNICODE = "äöüßéñçøåœ的密码会话令牌пароль사용자🔑🔒😀"


def _from(alphabet: str, length: int) -> Callable[[random.Random], str]:
    return lambda source: "".join(source.choice(alphabet) for _ in range(length))


def _email(source: random.Random) -> str:
    return f"{_from(_LETTERS, 9)(source)}.{_from(_LETTERS, 8)(source)}@{_from(_LETTERS, 10)(source)}.org"


def _jwt(source: random.Random) -> str:
    parts = (source.randbytes(length) for length in (27, 60, 32))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


KINDS: tuple[Callable[[random.Random], str], ...] = (
    _from(_ALPHABET, 32),
    _from("0123456789abcdef", 40),
    _from(_LETTERS + "_", 16),  # could be a name in code
    _email,
    lambda source: " ".join(_from("0123456789", 5)(source) for _ in range(4)),
    _jwt,
    _from(_UNICODE, 14),
    _from(_ALPHABET + "!$%&/()=?+*#-_;,", 20),
)
digits = _from("0123456789", 17)


def pieces(secrets: Iterable[str]) -> set[str]:
    """Every run of ``PIECE`` characters of each."""
    return {secret[at : at + PIECE] for secret in secrets for at in range(len(secret) - PIECE + 1)}


def found_in_text(text: str, wanted: set[str]) -> set[str]:
    """Those of ``wanted`` that ``text`` holds: as they are, or as JSON or a terminal would escape them."""
    plain = text.encode("ascii", "backslashreplace").decode()
    forms = {piece: piece for piece in wanted}
    for piece in wanted:
        if not piece.isascii():
            forms[json.dumps(piece)[1:-1]] = piece
            forms[piece.encode("ascii", "backslashreplace").decode()] = piece
    short = {form for form in forms if len(form) == PIECE}
    windows = {text[at : at + PIECE] for at in range(len(text) - PIECE + 1)}
    long = {form for form in set(forms) - short if form in text or form in plain}
    return {forms[form] for form in (short & windows) | long}


def found_in_bytes(raw: bytes, wanted: set[str]) -> set[str]:
    """Those of ``wanted`` of whose UTF-8 eight bytes stand together somewhere in ``raw``."""
    eights: dict[int, str] = {}
    for piece in wanted:
        encoded = piece.encode()
        for at in range(len(encoded) - 7):
            eights[int.from_bytes(encoded[at : at + 8], "little")] = piece
    sought = np.array(sorted(eights), dtype=np.uint64)
    found: set[str] = set()
    for shift in range(8):
        usable = (len(raw) - shift) // 8 * 8
        if usable > 0:
            words = np.unique(np.frombuffer(raw, dtype="<u8", offset=shift, count=usable // 8))
            found |= {eights[word] for word in words[np.isin(words, sought)].tolist()}
    return found

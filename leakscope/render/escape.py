"""The one place where text from a foreign heap, a path or a process name is made safe to show.

Names in somebody's heap are hostile until shown to be harmless: they may carry
terminal control sequences, line breaks that forge output, or bidirectional
marks that make a line read as another one.
"""

from __future__ import annotations

import unicodedata

UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control, format (bidi, zero width), surrogate, private, unassigned, line and paragraph separators."""


def escaped(text: str) -> str:
    """``text`` on one line; a character that does not print as itself becomes ``\\xNN`` or ``\\uNNNN``.

    A backslash stays a backslash: what is shown is for eyes, JSON carries the exact text.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped_character(character) for character in text)


def _escaped_character(character: str) -> str:
    if character == " " or unicodedata.category(character) not in UNSAFE_CATEGORIES:
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

"""Finds instructions in the target's C library that a thread can be sent to; nothing is added to its code."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from leakscope.target.fork_chain import Gadgets
from leakscope.target.libc import read_memory
from leakscope.target.maps import Mapping

_SYSCALL = b"\x0f\x05\xc3"
_SIGRETURN = (b"\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05", b"\xb8\x0f\x00\x00\x00\x0f\x05")
_LARGEST_TEXT = 64 << 20


def find_gadgets(pid: int, mappings: Sequence[Mapping]) -> Gadgets | None:
    """In one file's code, the C library first; None if no file that can be read has both."""
    code = [mapping for mapping in mappings if mapping.flags == "r-xp" and mapping.is_file and not mapping.deleted]
    for mapping in sorted(code, key=_is_no_c_library):
        with suppress(OSError):
            found = _in_code(mapping, _read(pid, mapping))
            if found and holds_gadgets(pid, found):
                return found
    return None


def holds_gadgets(pid: int, gadgets: Gadgets) -> bool:
    """Whether the instructions are there (still); raises OSError where the process is gone."""
    length = max(len(code) for code in _SIGRETURN)
    return read_memory(pid, gadgets.syscall, len(_SYSCALL)) == _SYSCALL and any(
        read_memory(pid, gadgets.sigreturn, length).startswith(code) for code in _SIGRETURN
    )


def _is_no_c_library(mapping: Mapping) -> bool:
    return not Path(mapping.path).name.startswith(("libc.", "libc-", "ld-musl"))


def _read(pid: int, mapping: Mapping) -> bytes:
    """From the file: reading the code in the process would give it pages that it never asked for."""
    length = mapping.end - mapping.start
    if length > _LARGEST_TEXT:
        return b""
    with Path(f"/proc/{pid}/root{mapping.path}").open("rb") as file:
        file.seek(mapping.offset)
        return file.read(length)


def _in_code(mapping: Mapping, code: bytes) -> Gadgets | None:
    call = code.find(_SYSCALL)
    back = max(code.find(each) for each in _SIGRETURN)
    return Gadgets(mapping.start + call, mapping.start + back) if call >= 0 and back >= 0 else None

"""Whether a file is an ELF core, by how it begins: asked of every file, and so without what reads one."""

from __future__ import annotations

import stat
from pathlib import Path

from leakscope.errors import InputError

_COMPRESSED = {
    b"\x1f\x8b": ("gzip", "gzip -d"),
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd -d"),
    b"\x04\x22\x4d\x18": ("lz4", "lz4 -d"),
    b"\xfd7zXZ": ("xz", "xz -d"),
    b"BZh": ("bzip2", "bzip2 -d"),
}


def is_core(path: Path) -> bool:
    """Whether a file begins as ELF files do; False too for what cannot be read. InputError if it is compressed."""
    try:
        # A pipe would wait for its writer.
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            head = file.read(8)
    except OSError:
        return False
    for magic, (name, command) in _COMPRESSED.items():
        if head.startswith(magic):
            raise InputError(f"{path} is compressed with {name}", f"Decompress it first: {command} {path}")
    return head.startswith(b"\x7fELF")

"""Where CPython 3.10 to 3.13 keeps what: one flat table of ints per minor version.

For Linux x86-64, release builds with the GIL. ``struct_member`` is a byte offset, ``struct_sizeof`` a size in bytes,
the rest are constants and bit masks. -1 stands for what a version does not have.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from leakscope.cpython.layout_debug import PUBLISHED
from leakscope.cpython.layout_field import VERSIONS
from leakscope.cpython.layout_library import LibraryLayout
from leakscope.cpython.layout_objects import ObjectsLayout
from leakscope.cpython.layout_runtime import RuntimeLayout
from leakscope.errors import UnsupportedTargetError

DEBUG_OFFSETS_BYTES = PUBLISHED["sizeof"]
"""How much of ``_PyRuntime`` ``overlay_debug_offsets`` needs."""

_COOKIE = b"xdebugpy"
_NOT_A_LAYOUT = {"sizeof", "cookie", "version", "free_threaded"}


@dataclass(frozen=True)
class Layout(ObjectsLayout, LibraryLayout, RuntimeLayout):
    """Every number of one CPython version; see the three parents."""


def layout_for(version: str) -> Layout:
    """The layout of a CPython by its version, ``3.12`` or ``3.12.1``; raises UnsupportedTargetError."""
    minor = ".".join(version.split(".")[:2])
    if minor not in VERSIONS:
        raise UnsupportedTargetError(
            f"CPython {version} is not supported", f"leakscope reads CPython {VERSIONS[0]} to {VERSIONS[-1]}"
        )
    column = VERSIONS.index(minor)
    return Layout(**{field.name: field.metadata["by_version"][column] for field in fields(Layout)})


def overlay_debug_offsets(layout: Layout, raw: bytes) -> Layout:
    """``layout`` with the offsets that a 3.13 publishes about itself in place of the table's.

    ``raw`` holds the first ``DEBUG_OFFSETS_BYTES`` of ``_PyRuntime``. Raises UnsupportedTargetError when they are
    not those of a CPython 3.13 with GIL.
    """
    help_line = "leakscope reads release builds of CPython 3.13 with the GIL"
    if len(raw) < DEBUG_OFFSETS_BYTES or not raw.startswith(_COOKIE):
        raise UnsupportedTargetError(
            "The process does not publish the debug offsets of CPython 3.13", help_line
        )
    told = {name: int.from_bytes(raw[at : at + 8], "little") for name, at in PUBLISHED.items()}
    major, minor = told["version"] >> 24, told["version"] >> 16 & 0xFF
    if (major, minor) != (3, 13):
        raise UnsupportedTargetError(f"The debug offsets are those of CPython {major}.{minor}", help_line)
    if told["free_threaded"]:
        raise UnsupportedTargetError("The process runs a free-threaded build of CPython", help_line)
    return replace(layout, **{name: told[name] for name in told.keys() - _NOT_A_LAYOUT})

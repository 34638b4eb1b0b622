"""Where CPython 3.10 to 3.13 keeps what: one flat table of ints per minor version.

For Linux x86-64, release builds with the GIL. ``struct_member`` is a byte offset, ``struct_sizeof`` a size in
bytes, the rest are constants and bit masks. -1 stands for what a version does not have.

What the offsets alone do not say:

- Split dicts (``dict_values`` not null): 3.10 points at ``PyObject *[usable]``; 3.11 and 3.12 at
  ``values[]``, with the order of insertion in the bytes before it; 3.13 at a head, values at ``+
  dictvalues_values``. Value i belongs to key i.
- Keys: entries begin at ``dictkeys_indices`` plus ``1 << dictkeys_log2_index_bytes`` (3.10: ``dictkeys_size``
  slots of 1, 2, 4 or 8 bytes: up to 0xFF, 0xFFFF, 0xFFFFFFFF, more). There are ``dictkeys_nentries``; kinds
  unicode and split have entries of ``dictentry_unicode_sizeof``. Deleted entries have a null value.
- Attributes, by ``flag_managed_dict``: 3.10 ``type_dictoffset``. 3.11 values at ``*instance_values_ptr`` if
  not null, else dict at ``*instance_managed_dict``. 3.12 ``*instance_dict_or_values``: odd means values at +
  1, even a dict. 3.13 dict at ``*instance_managed_dict`` if not null, else values inside the object at
  ``instance_inline_values`` when the type has ``flag_inline_values`` and ``dictvalues_valid`` there is 1.
  Names: ``heaptype_cached_keys``.
- 3.12+: dict, subclasses and weak references of a static type with ``flag_static_builtin`` lie in row
  ``type_subclasses - 1`` of ``interp_static_types``; 3.13 has a second table, ``interp_ext_types``.
- ``long``: 3.10, 3.11 ``var_size`` is sign times digits. 3.12+ ``long_tag >> long_tag_shift`` digits, and
  ``long_tag & long_sign_mask`` is 0 for plus, 1 for zero, 2 for minus.
- ``traceback_lineno`` is -1 until asked for (3.12+): then only ``traceback_lasti`` tells the line.
- ``frame_state_*`` are bytes without sign. A frame of ``owner_cstack`` (3.12+) has no locals; its code may be
  None.

How ``sys.getsizeof`` comes about (fixtures/probe/live_sizes.py computes all of it; W is 8 bytes, ``basic``
the type's ``type_basicsize``):

=====================  =======================================================================================
head, 3.10             ``gc_head_sizeof`` if the type has ``flag_have_gc``; none for static types, themselves
                       objects
head, 3.11, 3.12       the same, static types too; 2 W more with ``flag_managed_dict`` or
                       ``flag_managed_weakref``
head, 3.13             as 3.12, but none for static types
any other object       basic + ``abs(var_size)`` * ``type_itemsize`` (tuple, bytes, memoryview; inline values
                       not counted)
dict                   basic + keys if ``dictkeys_refcnt`` is 1 + W per value if split: ``dictkeys_nentries +
                       dictkeys_usable`` of them, in 3.10 slots * 2 // 3
keys                   ``dictkeys_sizeof`` + index bytes + (slots * 2 // 3) * entry size
OrderedDict            dict + W * ``odict_fast_nodes_size`` + ``odict_node_sizeof`` * ``dict_used``
list                   basic + W * ``list_allocated``
set, frozenset         basic + (``set_mask`` + 1) * ``setentry_sizeof`` unless ``set_table`` is the
                       ``set_smalltable``
deque                  basic + ceil((``deque_leftindex`` + ``var_size``) / 64) * ``deque_block_sizeof``
int, bool, subclasses  ``long_digits`` + 4 * digits; from 3.11 at least one digit. Never basic
str, subclasses        compact ASCII: ``unicode_ascii_sizeof`` + n + 1; compact: ``unicode_compact_sizeof`` +
                       (n + 1) * kind; else ``unicode_sizeof`` + (n + 1) * kind; + UTF-8 bytes + 1 if apart;
                       to 3.11 + 4 * (wstr length + 1) if apart. Never basic
bytearray, array       basic + ``bytearray_alloc``; basic + ``array_allocated`` * ``array_descr_itemsize``
type                   static ``type_sizeof``; heap ``heaptype_sizeof`` + keys of ``heaptype_cached_keys`` if
                       not null
code                   3.11+ basic + 2 * ``var_size``, rounded up to W; 3.10 ``code_sizeof`` + W * cellvars
                       with cell2arg + opcache: len(code) / 2 + entries * 32-byte
                       ``code_opcache_entry_sizeof``; + W * (1 + n) co_extra
generators, 3.11+      ``generator_iframe`` + ``iframe_localsplus`` + W * (nlocalsplus + stacksize); 3.10
                       basic
frame                  3.11+ ``frame_frame_data`` + ``iframe_localsplus`` + W * (nlocalsplus + stacksize),
                       running too; 3.10 ``frame_localsplus`` + W * (nlocals + cellvars + freevars +
                       stacksize)
BytesIO                basic + the whole size of ``bytes_io_buf`` if its refcount is 1
Buffered*              basic + ``buffered_buffer_size`` if ``buffered_buffer`` is not null
Element                basic + ``element_extra_sizeof`` if extra, + W * allocated if the children are apart
Decimal                basic + W * ``decimal_alloc`` if ``decimal_digits`` is not inline
=====================  =======================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from leakscope.cpython.layout_debug import PUBLISHED
from leakscope.cpython.layout_field import MACHINE, VERSIONS
from leakscope.cpython.layout_library import LibraryLayout
from leakscope.cpython.layout_objects import ObjectsLayout
from leakscope.cpython.layout_runtime import RuntimeLayout
from leakscope.errors import UnsupportedTargetError

DEBUG_OFFSETS_BYTES = PUBLISHED["sizeof"]
"""How much of ``_PyRuntime`` ``overlay_debug_offsets`` needs."""

_COOKIE = b"xdebugpy"
_LARGEST_OFFSET = 1 << 20
_NOT_A_LAYOUT = {"sizeof", "cookie", "version", "free_threaded"}


@dataclass(frozen=True)
class Layout(ObjectsLayout, LibraryLayout, RuntimeLayout):
    """Every number of one CPython version; see the three parents."""


def layout_for(version: str, machine: str = MACHINE) -> Layout:
    """The layout of a CPython by its version, ``3.12`` or ``3.12.1``; raises UnsupportedTargetError.

    There is one table, for ``MACHINE``: what holds locks of the C library (``_PyRuntime``, states of interpreters and
    threads) has other sizes elsewhere, so the probe must derive a table for each ``machine``, on it.
    """
    if machine != MACHINE:
        raise UnsupportedTargetError(
            f"The layout of CPython {version} on {machine} has not been derived",
            f"leakscope reads CPython on {MACHINE}; `python -m fixtures.probe.derive PYTHON` derives it there.",
        )
    minor = ".".join(version.split(".")[:2])
    if minor not in VERSIONS:
        raise UnsupportedTargetError(
            f"CPython {version} is not supported", f"leakscope reads CPython {VERSIONS[0]} to {VERSIONS[-1]}"
        )
    column = VERSIONS.index(minor)
    return Layout(**{field.name: field.metadata["by_version"][column] for field in fields(Layout)})


def overlay_debug_offsets(layout: Layout, raw: bytes) -> Layout:
    """``layout`` with the offsets that a 3.13 publishes about itself in place of the table's.

    ``raw`` holds the first ``DEBUG_OFFSETS_BYTES`` of ``_PyRuntime``. Raises UnsupportedTargetError
    when they are not those of a CPython 3.13 with GIL.
    """
    help_line = "leakscope reads release builds of CPython 3.13 with the GIL"
    if len(raw) < DEBUG_OFFSETS_BYTES or not raw.startswith(_COOKIE):
        raise UnsupportedTargetError("The process does not publish the debug offsets of CPython 3.13", help_line)
    told = {name: int.from_bytes(raw[at : at + 8], "little") for name, at in PUBLISHED.items()}
    major, minor = told["version"] >> 24, told["version"] >> 16 & 0xFF
    if (major, minor) != (3, 13):
        raise UnsupportedTargetError(f"The debug offsets are those of CPython {major}.{minor}", help_line)
    if told["free_threaded"]:
        raise UnsupportedTargetError("The process runs a free-threaded build of CPython", help_line)
    if max(told[name] for name in told.keys() - _NOT_A_LAYOUT) > _LARGEST_OFFSET:
        raise UnsupportedTargetError("The debug offsets of the process are damaged", help_line)
    return replace(layout, **{name: told[name] for name in told.keys() - _NOT_A_LAYOUT})

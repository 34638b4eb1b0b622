"""A file of Go's ``/debug/pprof/heap`` or ``/goroutine``, or of goref, as a ``Profile``."""

from __future__ import annotations

import zlib
from pathlib import Path

from leakscope.errors import InputError
from leakscope.formats.pprof.tables import Tables, read_tables
from leakscope.formats.pprof.wire import Malformed, fields
from leakscope.graph.profile import Measure, Profile, Stack

_GZIP = b"\x1f\x8b"
_LEAST_LIMIT = 64 << 20
_MOST_UNPACKED = 50
"""Times the file's size; profiles unpack to five to ten times theirs."""
_RETAKE = "Take it again: curl -o heap.pb.gz 'http://HOST:PORT/debug/pprof/heap?gc=1'"
_NUMBERS = (7, 8, 9, 10, 12, 13, 14)
_MESSAGES = (1, 2, 3, 4, 5, 6, 11)
_TYPES_OF_VALUES = (1, 11)
"""Fields of ``Profile``; Go writes the type of its period first, others the types of the values."""
_IN_USE = ("inuse_objects", "inuse_space")


def load_profile(path: Path) -> Profile:
    """The profile in ``path``. InputError if it is none, is damaged, or says nothing about memory."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "Check the path and its permissions.") from None
    return profile_of(data, str(path))


def profile_of(data: bytes, name: str) -> Profile:
    """The same for bytes that came from elsewhere; ``name`` is what messages call them."""
    try:
        tables = read_tables(_unpacked(data))
        return _profile(tables, name)
    except (Malformed, zlib.error) as error:
        raise InputError(f"{name} is no intact profile: {error}", _RETAKE) from None


def is_profile(beginning: bytes) -> bool:
    """Whether a file that begins so may be a profile: its first fields are those of one."""
    try:
        data = zlib.decompressobj(31).decompress(beginning, 64) if beginning.startswith(_GZIP) else beginning[:64]
        for each in fields(data, 0, len(data)):
            if each.number not in _NUMBERS and (each.number not in _MESSAGES or each.end < 0):
                return False
            if each.number in _TYPES_OF_VALUES:
                return all(one.number in (1, 2) and one.end < 0 for one in fields(data, each.value, each.end))
    except (zlib.error, Malformed):
        pass
    return False


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(_GZIP):
        return data
    limit = max(_LEAST_LIMIT, _MOST_UNPACKED * len(data))
    unpacker = zlib.decompressobj(31)
    plain = unpacker.decompress(data, limit)
    if not unpacker.eof:
        raise Malformed(f"unpacks to more than {limit:,} bytes" if unpacker.unconsumed_tail else "is cut off")
    return plain


def _profile(tables: Tables, name: str) -> Profile:
    types = [tables.text(of_type) for of_type, _ in tables.value_types]
    measure, count, size = _measure(tables, types, name)
    summed: dict[Stack, list[int]] = {}
    known: dict[tuple[int, ...], Stack] = {}
    for locations, values in tables.samples:
        if len(values) != len(types):
            raise Malformed(f"a sample has {len(values)} values instead of {len(types)}")
        key = tuple(locations)
        if key not in known:
            known[key] = tables.stack(locations)
        total = summed.setdefault(known[key], [0, 0])
        total[0] += values[count]
        total[1] += values[size] if size >= 0 else 0
    used = {stack: total for stack, total in summed.items() if any(total)}
    return Profile(
        measure=measure,
        captured_at=tables.time_nanos / 1e9 if tables.time_nanos > 0 else None,
        sampled_bytes=max(1, tables.period) if measure == Measure.HEAP else 1,
        stacks=tuple(used),
        counts=tuple(total[0] for total in used.values()),
        bytes=tuple(total[1] for total in used.values()),
    )


def _measure(tables: Tables, types: list[str], name: str) -> tuple[Measure, int, int]:
    """What is measured, and which values are the count and the bytes (-1 none)."""
    if "goroutine" in types:
        return Measure.GOROUTINES, types.index("goroutine"), -1
    if not set(_IN_USE) <= set(types):
        shown = ", ".join(types[:4]) or "nothing"
        raise InputError(
            f"{name} is a profile of {shown}, not of memory in use",
            "leakscope reads /debug/pprof/heap?gc=1 and /debug/pprof/goroutine.",
        )
    # goref writes its chains as stacks, without anything that only a sampling runtime has.
    references = tuple(types) == _IN_USE and not tables.has_period_type and not tables.period
    count, size = (types.index(each) for each in _IN_USE)
    return Measure.REFERENCES if references else Measure.HEAP, count, size

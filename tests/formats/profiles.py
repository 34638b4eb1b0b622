"""Writes profiles: profile.proto by hand, for tests."""

from __future__ import annotations

from collections.abc import Sequence

HEAP = (("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes"))
GOROUTINES = (("goroutine", "count"),)
REFERENCES = (("inuse_objects", "count"), ("inuse_space", "bytes"))

Frame = tuple[str, str, int]
Sample = tuple[Sequence[Frame], Sequence[int]]


def varint(number: int) -> bytes:
    number %= 1 << 64
    found = b""
    while number >= 0x80:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def message(field: int, data: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(data)) + data


def profile(
    types: Sequence[tuple[str, str]],
    samples: Sequence[Sample],
    period: int | None = 1,
    time: float | None = 2000.0,
    inlined: bool = False,
) -> bytes:
    """Unpacked; each frame a location of its own, or with ``inlined`` all frames of a sample in one location."""
    texts = {"": 0}
    functions: dict[tuple[str, str], int] = {}

    def text(of: str) -> int:
        return texts.setdefault(of, len(texts))

    out = b"".join(message(1, number(1, text(name)) + number(2, text(unit))) for name, unit in types)
    locations = 0
    for frames, values in samples:
        lines = []
        for name, file, line in frames:
            function = functions.setdefault((name, file), len(functions) + 1)
            lines.append(message(4, number(1, function) + number(2, line)))
        ids = []
        for content in [b"".join(lines)] if inlined else lines:
            locations += 1
            ids.append(locations)
            out += message(4, number(1, locations) + content)
        packed = b"".join(map(varint, ids)), b"".join(map(varint, values))
        out += message(2, message(1, packed[0]) + message(2, packed[1]))
    for (name, file), function in functions.items():
        out += message(5, number(1, function) + number(2, text(name)) + number(4, text(file)))
    out += b"".join(message(6, each.encode("utf-8", "surrogatepass")) for each in texts)
    if time is not None:
        out += number(9, int(time * 1e9))
    if period is not None:
        out += message(11, number(1, text("space"))) + number(12, period)
    return out


def heap(*samples: tuple[Sequence[Frame], int, int], period: int = 1, time: float = 2000.0) -> bytes:
    """A heap profile: stacks with objects and bytes in use."""
    return profile(HEAP, [(frames, (9, 9, objects, size)) for frames, objects, size in samples], period, time)

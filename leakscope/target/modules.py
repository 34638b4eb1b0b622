"""Executable and libraries of a process: where they were loaded and which memory they write."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Dict
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from leakscope.target.elf import Headers, Segment
from leakscope.target.image import PAGE_BYTES, LoadedModule
from leakscope.target.maps import Mapping


def open_mapped(pid: int, mapping: Mapping) -> BinaryIO:
    """Opens the very file behind a mapping, be it deleted, in a container, or below another root; raises OSError.

    Only root may ask for the file of a mapping. The executable has a door of its own; others are looked for by name,
    as the process sees them, or as leakscope does: in a chroot the kernel tells names from outside.
    """
    try:
        return Path(f"/proc/{pid}/map_files/{mapping.start:x}-{mapping.end:x}").open("rb")
    except OSError as error:
        refused = error
    executable, inside = Path(f"/proc/{pid}/exe"), Path(f"/proc/{pid}/root{mapping.path}")
    with suppress(OSError):
        if executable.stat().st_ino == mapping.inode:
            return executable.open("rb")
    if not mapping.deleted:  # else another file may have taken its name
        with suppress(OSError):
            return inside.open("rb")
        with suppress(OSError):
            if is_file_of(mapping, Path(mapping.path).stat()):
                return Path(mapping.path).open("rb")
    raise refused


def is_file_of(mapping: Mapping, facts: os.stat_result) -> bool:
    """Whether these are the facts of the file behind a mapping."""
    major, minor = (int(part, 16) for part in mapping.device.split(":"))
    return (facts.st_ino, facts.st_dev) == (mapping.inode, os.makedev(major, minor))


def loaded_files(mappings: Sequence[Mapping]) -> Iterator[list[Mapping]]:
    """The mappings of each file that program text was loaded from, in the order of their addresses."""
    groups: dict[tuple[str, int], list[Mapping]] = {}
    for mapping in mappings:
        if mapping.is_file:
            groups.setdefault((mapping.path, mapping.inode), []).append(mapping)
    for group in groups.values():
        if any(mapping.flags[2] == "x" for mapping in group):
            yield group


def load_bias(headers: Headers, first: Mapping) -> int | None:
    """What to add to virtual addresses, from the mapping of the first segment; None if they do not agree."""
    if not headers.segments:
        return None
    segment = headers.segments[0]
    if _page_floor(segment.offset) != first.offset:
        return None
    return first.start - _page_floor(segment.vaddr)


def load_modules(
    mappings: Sequence[Mapping],
    executable: str,
    read_headers: Callable[[int], Headers | None],
    symbols: Dict[str, Dict[str, int]],
) -> list[LoadedModule]:
    """One module per loaded file, the executable first.

    ``read_headers(address)`` reads the ELF header at a file's first mapping; ``symbols`` holds
    virtual addresses of the wanted symbols by path, for the few files that can have any.
    """
    modules = []
    for group in loaded_files(mappings):
        headers = read_headers(group[0].start)
        bias = load_bias(headers, group[0]) if headers else None
        if headers is None or bias is None:
            continue
        path = group[0].path
        found = {name: bias + vaddr for name, vaddr in symbols.get(path, {}).items()}
        modules.append(LoadedModule(path, bias, _data_ranges(mappings, path, headers, bias), found))
    return sorted(modules, key=lambda module: module.path != executable)


def _data_ranges(mappings: Sequence[Mapping], path: str, headers: Headers, bias: int) -> tuple[tuple[int, int], ...]:
    """Where the file's writable segments are still writable: .data and .bss, without what RELRO sealed."""
    ranges: list[tuple[int, int]] = []
    for segment in headers.segments:
        if segment.writable:
            ranges.extend(_writable_parts(mappings, path, segment, bias))
    return tuple(ranges)


def _writable_parts(mappings: Sequence[Mapping], path: str, segment: Segment, bias: int) -> Iterator[tuple[int, int]]:
    start = _page_floor(bias + segment.vaddr)
    end = bias + segment.vaddr + segment.memory_size
    for mapping in mappings:
        if mapping.start >= end or mapping.end <= start or not mapping.is_own_memory:
            continue
        if mapping.path in (path, ""):  # no path: .bss is anonymous beyond the file's last page
            yield max(start, mapping.start), min(end, mapping.end)


def _page_floor(address: int) -> int:
    return address & -PAGE_BYTES

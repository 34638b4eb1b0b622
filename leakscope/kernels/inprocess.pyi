from collections.abc import Callable
from types import FrameType
from typing import TypeAlias

from leakscope.kernels._arrays import Int32s, Int64s, UInt8s, UInt64s

Class: TypeAlias = type

class OwnHeap:
    address: UInt64s
    type: Int32s
    own_size: Int64s
    flags: UInt8s
    first_ref: Int64s
    target: Int32s
    kind: UInt8s
    label: Int32s
    names: list[str]
    types: list[Class]
    base: Int32s
    runs: Int32s
    keys: Int32s
    key_names: Int32s
    late: Int32s
    late_count: Int64s
    frames_of_threads: list[tuple[object, int]]
    held_by_threads: list[tuple[object, int]]

def read_own_heap(
    get_objects: Callable[[], list[object]], seeds: list[object], frame: FrameType | None, hidden: list[object]
) -> OwnHeap: ...

from leakscope.kernels._arrays import Int32s, Int64s, UInt8s, UInt64s
from leakscope.kernels.memory import Memory

def find_type_like(
    memory: Memory,
    basicsize: int,
    flags: int,
    name: int,
    ready: int,
    largest: int,
    length: int,
    start: int,
    stop: int,
) -> Int64s: ...
def mark_objects(
    memory: Memory,
    pages: UInt64s,
    type_addresses: UInt64s,
    has_gc: UInt8s,
    is_heap_type: UInt8s,
    heads: UInt8s,
    least: Int64s,
    static_pages: UInt8s,
    stack_pages: UInt8s,
    glibc: bool,
    start: int,
    stop: int,
) -> tuple[Int64s, Int32s]: ...
def addresses_of(pages: UInt64s, offsets: Int64s, static_pages: UInt8s) -> tuple[UInt64s, UInt8s]: ...

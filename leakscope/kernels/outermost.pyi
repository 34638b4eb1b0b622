from leakscope.kernels._arrays import Int32s, Int64s, UInt8s, UInt64s
from leakscope.kernels.memory import Memory

def keep_outermost(
    memory: Memory,
    pages: UInt64s,
    offsets: Int64s,
    rows: Int32s,
    basic: Int64s,
    itemsize: Int64s,
    count_rule: UInt8s,
    heads: UInt8s,
    static_pages: UInt8s,
    free_from: int,
) -> tuple[int, int]: ...

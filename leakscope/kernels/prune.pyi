from leakscope.kernels._arrays import Int32s, Int64s, UInt8s
from leakscope.kernels.memory import Memory

def reference_counts(
    memory: Memory,
    offsets: Int64s,
    rows: Int32s,
    static: UInt8s,
    has_head: UInt8s,
    counts_nothing: UInt8s,
    head_bytes: int,
) -> tuple[Int32s, UInt8s]: ...
def nodes_with(first_ref: Int64s, least: int) -> Int32s: ...
def in_degrees(nodes: int, target: Int32s, kind: UInt8s, ignored: UInt8s) -> Int32s: ...
def compact(
    first_ref: Int64s,
    target: Int32s,
    kind: UInt8s,
    label: Int32s,
    keep_node: UInt8s,
    keep_ref: UInt8s,
    label_is_node: UInt8s,
) -> tuple[Int64s, Int32s, UInt8s, Int32s, Int32s]: ...

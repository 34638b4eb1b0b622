from leakscope.kernels._arrays import Int32s, Int64s, UInt8s

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

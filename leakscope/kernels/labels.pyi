from leakscope.kernels._arrays import Int32s, UInt8s

def mark_labels(
    kind: UInt8s,
    label: Int32s,
    wanted: UInt8s,
    nodes: int,
    target: Int32s | None = None,
    of_target: UInt8s | None = None,
) -> UInt8s: ...
def settle_labels(kind: UInt8s, label: Int32s, final: UInt8s, named: UInt8s, number: Int32s, unknown: int) -> None: ...

from collections.abc import Collection

from leakscope.kernels._arrays import Int32s, Int64s, UInt8s

class Edges:
    nodes: int
    count: int
    def __init__(self, first_ref: Int64s, target: Int32s, kind: UInt8s, followed: Collection[int]) -> None: ...

def nodes_of(edges: Edges, numbers: Int32s) -> Int32s: ...

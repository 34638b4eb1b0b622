from leakscope.kernels._arrays import Int32s, Int64s, UInt8s
from leakscope.kernels.edges import Edges

REACHED: int
TOUCHED: int

def reach(edges: Edges, starts: Int32s, blocked: UInt8s | None = None) -> UInt8s: ...

class Search:
    count: int
    state: UInt8s
    parent: Int32s
    parent_edge: Int64s
    order: Int32s
    def __init__(self, edges: Edges, free_kind: int) -> None: ...
    def reserve(self, nodes: Int32s, parents: Int32s | None = None, positions: Int64s | None = None) -> None: ...
    def spread(self, seeds: Int32s, stop: UInt8s) -> None: ...

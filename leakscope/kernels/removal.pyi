from leakscope.kernels._arrays import Int32s, Int64s, UInt8s
from leakscope.kernels.edges import Edges

def kept_alone(edges: Edges, weights: Int64s, held: UInt8s, members: Int32s, first_member: Int64s) -> Int64s: ...

from leakscope.kernels._arrays import Int32s, Int64s, UInt8s

IS_INTERNAL: int
IS_CELL: int
IS_PROPERTY: int
IS_OTHER: int
PLAIN: int
HALF: int
SHAPE: int
TABLE: int
CONTEXT: int
PREVIOUS: int

def survey(types: UInt8s, names: Int32s, groups: UInt8s, texts: int) -> tuple[UInt8s, Int32s, int]: ...
def rows(
    first: Int64s,
    order: Int32s,
    number: Int32s,
    edges: tuple[UInt8s, Int32s, Int32s],
    node_types: UInt8s,
    kinds: UInt8s,
    texts: tuple[UInt8s, Int32s, Int32s],
    codes: tuple[int, int, int, int],
) -> tuple[Int64s, Int32s, UInt8s, Int32s, UInt8s]: ...
def attributes(kinds: UInt8s, labels: Int32s, texts: int) -> UInt8s: ...
def finish(first: Int64s, targets: Int32s, kinds: UInt8s, labels: Int32s, tables: UInt8s, called: Int32s) -> None: ...

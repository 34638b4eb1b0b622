class PointerMap: ...

class NameTable:
    texts: list[str]

class TypeTable:
    names: NameTable
    count: int
    def __init__(self, names: NameTable) -> None: ...

class Numbers:
    count: int
    failed: bool

class Pile: ...

from typing import Any

class Layout:
    minor: int
    def __init__(self, numbers: Any, minor: int) -> None: ...

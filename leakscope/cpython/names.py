"""One list of unique strings for everything that has a name."""

from __future__ import annotations


class Names:
    """Gives each string a number, the same one each time."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._number: dict[str, int] = {}

    def add(self, text: str) -> int:
        """The number of ``text``: its index in ``texts``."""
        number = self._number.get(text)
        if number is None:
            number = self._number[text] = len(self.texts)
            self.texts.append(text)
        return number

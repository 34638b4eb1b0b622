"""Whose code is it: the user's, a library's, or Python's own?"""

from __future__ import annotations

import posixpath

from leakscope.graph.kinds import Origin


class Origins:
    """Knows where this process keeps its standard library, and the files of its modules."""

    def __init__(self, files: dict[str, str | None]) -> None:
        """``files``: ``__file__`` by module name, None for modules without one."""
        self._files = files
        self._library = posixpath.dirname(files.get("os") or "") or "/nowhere"

    def of_file(self, file: str) -> Origin:
        """By a module's or code object's file name."""
        if "/site-packages/" in file or "/dist-packages/" in file:
            return Origin.THIRD_PARTY
        if file.startswith((self._library + "/", "<frozen ")):
            return Origin.STDLIB
        return Origin.USER

    def of_module(self, name: str) -> Origin:
        """By a module's name; one that is built in, or not in ``sys.modules``, is not the user's."""
        file = self._files.get(name)
        if file:
            return self.of_file(file)
        return Origin.USER if name in ("__main__", "__mp_main__") else Origin.STDLIB

    def of_type(self, name: str, heap: bool) -> Origin:
        """By a type's full name, whose module is its longest prefix that is one."""
        module = name
        while "." in module:
            module = module.rpartition(".")[0]
            if module in self._files:
                return self.of_module(module)
        if not heap or "." not in name:
            return Origin.STDLIB
        return Origin.USER  # a class whose module has gone from sys.modules, or says what it likes

"""What guppy3, pympler and objgraph add where they are installed: other views of the same objects, none of them needed.

``pip install 'leakscope-cli[inprocess]'`` brings all three; the picture needs graphviz's ``dot`` besides.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from leakscope.errors import UsageError

_DEEPEST = 6
_WIDEST = 8


def heap_view() -> Any:
    """guppy3's view of the heap, by class. UsageError without guppy3."""
    return _needed("guppy", "guppy3").hpy().heap()


def deep_size(*objects: object) -> int:
    """Bytes of ``objects`` and all that they refer to, shared parts once, as pympler counts: what others hold too
    is included, unlike in retained sizes. UsageError without pympler."""
    return int(_needed("pympler.asizeof", "pympler").asizeof(*objects))


def picture(objects: Sequence[object], path: Path) -> Path | None:
    """A picture (``.png``, ``.svg`` ... by the name of ``path``) of what refers to ``objects``, by objgraph.

    None where objgraph or graphviz's ``dot`` is missing: an attachment is no reason to fail.
    """
    if shutil.which("dot") is None:
        return None
    try:
        objgraph = importlib.import_module("objgraph")
    except ImportError:
        return None
    own = {id(objects), id(locals())}
    objgraph.show_backrefs(
        list(objects), max_depth=_DEEPEST, too_many=_WIDEST, filename=str(path), filter=lambda each: id(each) not in own
    )
    return path if path.exists() else None


def _needed(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise UsageError(
            f"{package} is not installed", "pip install 'leakscope-cli[inprocess]' brings it along."
        ) from None

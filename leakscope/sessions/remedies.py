"""What to do about a leak, and what growth is harmless: data in ``catalogue/remedies.toml`` and ``harmless.toml``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Remedy:
    """A sentence, and the library's own words on it if there are any."""

    kind: str
    text: str
    link: str | None = None


def remedy_for(kind: str, holder: str, class_: str, language: str = "") -> Remedy:
    """What a known library says about ``holder``, else what helps against its ``kind`` in that ``language``."""
    for known in _document("remedies.toml").get("library", []):
        if fnmatchcase(holder, known["holder"]) and fnmatchcase(class_, known.get("class", "*")):
            return Remedy(known.get("kind", kind), known["remedy"], known.get("link"))
    return Remedy(kind, {**kinds(), **_document("remedies.toml").get(language, {})}[kind])


def kinds() -> dict[str, str]:
    """All kinds of holders, each with its remedy."""
    known: dict[str, str] = _document("remedies.toml")["kinds"]
    return known


def harmless_reason(holder: str, class_: str) -> str | None:
    """Why growth of ``class_`` in ``holder`` means nothing; None if it is not known to."""
    for known in _document("harmless.toml")["harmless"]:
        if fnmatchcase(holder, known.get("holder", "*")) and fnmatchcase(class_, known.get("class", "*")):
            return str(known["reason"])
    return None


@cache
def _document(name: str) -> dict[str, Any]:
    text = resources.files("leakscope.sessions").joinpath("catalogue", name).read_text(encoding="utf-8")
    return tomllib.loads(text)

"""What a class is to whoever looks for leaks: a session, the user's own, or neither. Asked past the metaclass."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import Enum
from fnmatch import fnmatchcase
from functools import cache
from types import ModuleType

from leakscope.graph.kinds import Origin
from leakscope.graph.origins import Origins
from leakscope.sessions.names import NOT_INSTANCES, says_session

CATEGORIES = ("session", "connection", "request")
"""Those of rules whose objects are opened for somebody and should go."""
HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE, the same in all versions

FLAGS_OF = type.__dict__["__flags__"].__get__
_QUALNAME_OF = type.__dict__["__qualname__"].__get__
_MODULE_OF = type.__dict__["__module__"].__get__
_MRO_OF = type.__dict__["__mro__"].__get__
_NAMESPACE_OF = vars(ModuleType)["__dict__"].__get__


class Kind(Enum):
    """What instances of a class count as."""

    SESSION = "session"
    OWN = "own"
    """Of a class in the user's own code."""
    OTHER = "other"


def class_name(each: type) -> str:
    """``module.QualName``, ``builtins.`` left out."""
    qualified, module = _QUALNAME_OF(each), _MODULE_OF(each)
    return f"{module}.{qualified}" if isinstance(module, str) and module != "builtins" else str(qualified)


def file_of(module: object) -> str | None:
    """A module's ``__file__``, with slashes. A lazy module is not loaded by the question."""
    if not isinstance(module, ModuleType):
        return None
    file = _NAMESPACE_OF(module).get("__file__")
    return file.replace("\\", "/") if isinstance(file, str) else None


def origins() -> Origins:
    """Whose code the modules of this process are."""
    return Origins({name: file_of(module) for name, module in list(sys.modules.items()) if isinstance(name, str)})


def kind_of(each: type, globs: Sequence[str], whose: Origins) -> Kind:
    """What ``each`` is; ``globs`` name further sessions, by ``module.QualName`` or its last part."""
    bases = [class_name(base) for base in _MRO_OF(each)]
    if any(_matches(base, glob) for base in bases for glob in globs):
        return Kind.SESSION
    if bases[0].startswith("leakscope.") or type in _MRO_OF(each):
        return Kind.OTHER
    if not set(bases) & set(NOT_INSTANCES) and (any(map(says_session, bases)) or _rule_says_session(bases)):
        return Kind.SESSION
    user = whose.of_type(bases[0], bool(FLAGS_OF(each) & HEAP_TYPE)) == Origin.USER
    return Kind.OWN if user else Kind.OTHER


def _matches(name: str, glob: str) -> bool:
    return fnmatchcase(name, glob) or fnmatchcase(name.rpartition(".")[2], glob)


def _rule_says_session(bases: list[str]) -> bool:
    return any(
        any(fnmatchcase(base, glob) for base in bases for glob in wanted)
        and not any(fnmatchcase(base, glob) for base in bases for glob in unwanted)
        for wanted, unwanted in _rules()
    )


@cache
def _rules() -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Classes of the rules that hold here, and those they except."""
    from leakscope.sessions.load import load_rules

    rules = load_rules().rules
    return [(rule.classes, rule.not_classes) for rule in rules if rule.category in CATEGORIES and rule.classes]

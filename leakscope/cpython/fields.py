"""Which builtin types are known to the last word, and what their words are called.

A group is a prefix in ``layouts.Layout``: ``function_globals`` is the word of a
``function`` that is shown as ``__globals__``. What is not named in a known
type is no reference.
"""

from __future__ import annotations

from leakscope.graph.kinds import Ref
from leakscope.kernels._shapes import UNKNOWN_WORD, Shape

SHAPES: dict[str, Shape] = {
    "tuple": Shape.TUPLE,
    "list": Shape.LIST,
    "dict": Shape.DICT,
    "set": Shape.SET,
    "frozenset": Shape.SET,
    "collections.deque": Shape.DEQUE,
    "type": Shape.TYPE,
    "frame": Shape.FRAME,
    "generator": Shape.GENERATOR,
    "coroutine": Shape.GENERATOR,
    "async_generator": Shape.GENERATOR,
    "str": Shape.STR,
    "int": Shape.INT,
    "bytes": Shape.BYTES,
    "bytearray": Shape.BYTEARRAY,
    "array.array": Shape.ARRAY,
    "code": Shape.CODE,
}

NO_FIELDS = (
    "method_wrapper_", "method_descr_", "method_def_", "exception_group_", "future_iter_", "code_kind_", "code_flag_",
    "code_cached_", "odict_node_", "odict_iterator_", "frame_state_",
)  # fmt: skip
"""Prefixes of constants and of other structs that only look like fields of a group."""

LEAVES = frozenset({
    "object", "float", "complex", "NoneType", "ellipsis", "NotImplementedType", "str", "int", "bool", "bytes",
    "bytearray", "array.array", "tuple", "list", "dict", "set", "frozenset", "collections.deque",
    "datetime.date", "datetime.timedelta", "PyCapsule", "_thread.lock", "_thread.RLock",
})  # fmt: skip
"""Nothing but what their shape reads."""
BUFFERS = frozenset({"_io.BufferedReader", "_io.BufferedWriter", "_io.BufferedRandom", "_io.StringIO"})
"""The memory behind them is for data: addresses in it are left from what it was used for before."""

GROUPS: dict[str, tuple[str, ...]] = {
    "function": ("function",),
    "method": ("method",),
    "instancemethod": ("instancemethod",),
    "builtin_function_or_method": ("builtin",),
    "builtin_method": ("builtin", "cmethod"),
    "cell": ("cell",),
    "module": ("module",),
    "weakref.ReferenceType": ("weakref",),
    "weakref": ("weakref",),
    "weakref.ProxyType": ("weakref",),
    "weakproxy": ("weakref",),
    "weakref.CallableProxyType": ("weakref",),
    "weakcallableproxy": ("weakref",),
    "property": ("property",),
    "classmethod": ("classmethod",),
    "staticmethod": ("staticmethod",),
    "mappingproxy": ("mappingproxy",),
    "super": ("super",),
    "slice": ("slice",),
    "range": ("range",),
    "method_descriptor": ("descr",),
    "classmethod_descriptor": ("descr",),
    "member_descriptor": ("descr",),
    "getset_descriptor": ("descr",),
    "wrapper_descriptor": ("descr",),
    "traceback": ("traceback",),
    "code": ("code",),
    "frame": ("frame",),
    "generator": ("generator",),
    "coroutine": ("generator", "coroutine"),
    "async_generator": ("generator", "async_gen"),
    "type": ("type", "heaptype"),
    "collections.OrderedDict": ("odict",),
    "collections.defaultdict": ("defaultdict",),
    "functools._lru_cache_wrapper": ("lru_cache",),
    "functools._lru_list_elem": ("lru_link",),
    "functools.partial": ("partial",),
    "_asyncio.Future": ("future",),
    "_asyncio.Task": ("task",),
    "_contextvars.Context": ("context",),
    "_contextvars.ContextVar": ("contextvar",),
    "_contextvars.Token": ("token",),
    "contextvars.Context": ("context",),
    "contextvars.ContextVar": ("contextvar",),
    "contextvars.Token": ("token",),
    "Context": ("context",),
    "ContextVar": ("contextvar",),
    "Token": ("token",),
    "types.GenericAlias": ("generic_alias",),
    "types.UnionType": ("union",),
    "types.SimpleNamespace": ("namespace",),
    "list_iterator": ("list_iterator",),
    "tuple_iterator": ("tuple_iterator",),
    "enumerate": ("enumerate",),
    "reversed": ("reversed",),
    "map": ("map",),
    "filter": ("filter",),
    "zip": ("zip",),
    "BaseException": ("exception",),
}

KIND_OF_FIELD: dict[str, int] = {
    "weakref_object": Ref.WEAK,
    "module_state": UNKNOWN_WORD,  # memory of C code, whose words are followed
    "module_dict": Ref.DICT,
    "type_dict": Ref.DICT,
    "function_dict": Ref.DICT,
    "partial_dict": Ref.DICT,
    "lru_cache_dict": Ref.DICT,
    "odict_inst_dict": Ref.DICT,
    "future_dict": Ref.DICT,
    "task_dict": Ref.DICT,
    "exception_dict": Ref.DICT,
    "namespace_dict": Ref.DICT,
    "classmethod_dict": Ref.DICT,
    "staticmethod_dict": Ref.DICT,
}

BORROWED = frozenset({
    "weakreflist", "weaklist", "weakref_prev", "weakref_next", "lru_link_prev", "lru_link_next",
    "lru_cache_root_prev", "lru_cache_root_next", "lru_cache_root_key", "lru_cache_root_result",
    "type_weaklist", "type_name", "type_as_async", "type_dealloc", "contextvar_cached",
    "heaptype_spec_getitem", "heaptype_spec_init", "heaptype_tpname", "frame_interp_frame", "frame_gen",
    "code_zombieframe", "generator_frame_state", "generator_origin_or_finalizer", "frame_state",
    "heaptype_cached_keys",
    "code_code_adaptive", "builtin_ml", "module_def",
    "generator_hooks_inited", "context_entered", "token_used", "lru_cache_typed", "frame_trace_lines",
    "frame_stackdepth", "future_state",
})  # fmt: skip
"""Pointers that hold no count or lead to no object, and flags: what pads a flag to a word is never initialised."""

_SHOWN = {
    "function_code": "__code__", "function_globals": "__globals__", "function_closure": "__closure__",
    "function_defaults": "__defaults__", "function_kwdefaults": "__kwdefaults__", "function_name": "__name__",
    "function_builtins": "__builtins__", "function_qualname": "__qualname__", "function_doc": "__doc__",
    "function_module": "__module__", "function_annotations": "__annotations__", "method_func": "__func__",
    "method_self": "__self__", "builtin_self": "__self__", "builtin_module": "__module__",
    "cell_ref": "cell_contents", "exception_traceback": "__traceback__", "exception_context": "__context__",
    "exception_cause": "__cause__", "exception_notes": "__notes__", "traceback_next": "tb_next",
    "traceback_frame": "tb_frame", "partial_fn": "func", "partial_kw": "keywords", "frame_back": "f_back",
    "frame_code": "f_code", "frame_builtins": "f_builtins", "frame_globals": "f_globals",
    "frame_locals": "f_locals", "frame_trace": "f_trace", "generator_frame": "gi_frame",
    "generator_code": "gi_code", "weakref_callback": "__callback__", "type_bases": "__bases__",
    "type_base": "__base__", "type_mro": "__mro__", "lru_cache_func": "__wrapped__",
}  # fmt: skip


def shown_name(full: str, field: str) -> str:
    """What a reader sees for a C field: the attribute's name where Python code can say it."""
    return _SHOWN.get(full, field)

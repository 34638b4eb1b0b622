"""Codes in the graph's columns. Numbers are part of the file format: add, never renumber."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class Ref(IntEnum):
    """What a reference is to its holder; says how ``label`` is read."""

    INTERNAL = 0
    """A named C field (``func_globals``, ``co_consts``); label: index into ``names``."""
    ATTR = 1
    """An attribute: instance dict entry, inline value or slot; label: index into ``names``."""
    KEY = 2
    """A dict's value; label: node index of its key."""
    INDEX = 3
    """A position in a list, tuple or deque; label: the position."""
    ITEM = 4
    """A member without position: of a set, of a C array; label: -1."""
    DICT_KEY = 5
    """A dict's key object; label: -1."""
    LOCAL = 6
    """A frame's local variable; label: index into ``names``."""
    CELL = 7
    """A frame's or function's variable in a closure cell; label: index into ``names``."""
    STACK = 8
    """A slot of a frame's evaluation stack; label: the slot."""
    TYPE = 9
    """The object's class; label: -1."""
    DICT = 10
    """The object's ``__dict__``; label: -1."""
    C_FIELD = 11
    """A word inside a C structure whose layout is not known; label: byte offset, -1 when behind a pointer."""
    GLOBAL = 12
    """A name in a module's or class's namespace; label: index into ``names``."""
    WEAK = 13
    """A weak reference's referent. Seen, never followed; label: -1."""


class Root(IntEnum):
    """Why an object lives although no object refers to it."""

    MODULE = 0
    """An entry of ``sys.modules``; name: the module's name."""
    BUILTINS = 1
    INTERPRETER = 2
    """Interpreter or runtime state; name: the field where known."""
    STATIC_TYPE = 3
    """A type in a library's data segment; name: the type's name."""
    THREAD = 4
    """Thread state (its dict, contextvars, current exception); name: the thread's name."""
    FRAME = 5
    """A frame that a thread is running; name: the thread's name."""
    C_GLOBAL = 6
    """A C or C++ global; name: the library's file name (and symbol, where known)."""
    C_STACK = 7
    """Only C code on a thread's stack or in its registers holds it; name: the thread's name."""
    C_UNSEEN = 8
    """More references than the graph shows: memory of C code that leakscope does not read holds it."""
    GARBAGE = 9
    """Nothing reaches it: garbage that the collector has not freed. Not a root for retained sizes of live objects."""
    NAMED = 10
    """A reason that the dump's own runtime names (JVM, V8); name: its words: ``JNI global``, ``(Global handles)``."""


class Node(IntFlag):
    """Facts about one object."""

    GC_TRACKED = 1
    IMMORTAL = 2
    FRAME = 4
    """Not an object: a running frame (CPython 3.11+ has no object for it)."""
    GARBAGE = 8
    """Not reachable from any root other than GARBAGE."""
    CLASS = 16
    """Is itself a type."""
    MODULE = 32


class Origin(IntEnum):
    """Whose code a name belongs to, in the order in which chains prefer holders."""

    USER = 0
    THIRD_PARTY = 1
    STDLIB = 2
    INTERPRETER = 3


class Fact(IntFlag):
    """What a rule found out about one session."""

    GUESSED = 1
    """Only its class's name makes it a session."""
    CLOSED = 2
    CLOSING = 4
    HEALTHY = 8
    """Its rule says that it is meant to live on: an idle connection in its pool, a client kept for the process."""
    HOLDER_DEAD = 16
    """The heartbeat of whoever should end it is stale."""
    UNREGISTERED = 32
    """Its own registry no longer has it."""
    CREATED_IMPLAUSIBLE = 64
    """The field is there, but before the process began or in the future: no age is derived from it."""
    CREATED_AMBIGUOUS = 128
    """A naive datetime that may be local time or UTC: no age is derived from it."""
    USED_IMPLAUSIBLE = 256
    EXPIRES_IMPLAUSIBLE = 512
    EXPECTED_GONE = 1024
    """``expect_gone`` was told that it should be gone by now."""

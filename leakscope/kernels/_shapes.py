"""How the kernels are told what an object of a type looks like. Plain constants, not compiled."""

from enum import IntEnum, IntFlag


class Shape(IntEnum):
    """Which loop reads the part of an object that its builtin base lays out."""

    PLAIN = 0
    """Only the words that ``WORDS_FROM`` .. ``WORDS_TO`` name."""
    TUPLE = 1
    LIST = 2
    DICT = 3
    SET = 4
    DEQUE = 5
    TYPE = 6
    FRAME = 7
    """A frame object of 3.10, or one of 3.11+ that may own its frame."""
    GENERATOR = 8
    RUNNING_FRAME = 9
    """An interpreter frame of 3.11+, which is no object."""
    STR = 10
    INT = 11
    BYTES = 12
    BYTEARRAY = 13
    ARRAY = 14
    CODE = 15


class Trait(IntFlag):
    """What else holds for a type's instances."""

    COUNTS_TYPE = 1
    """Instances hold a reference to their type (heap types)."""
    MANAGED_DICT = 2
    INLINE_VALUES = 4
    FOLLOWS = 8
    """C code of unknown layout: a word that points at a malloc block may lead to objects."""
    SCANS_ITEMS = 16
    ORDERED_DICT = 32
    OWNS_STATE = 64
    """Modules: the block behind their state is theirs, whoever else points at it."""


class Column(IntEnum):
    """Columns of the table of types that the kernels take, int64, one row per type."""

    SHAPE = 0
    TRAITS = 1
    BASIC = 2
    ITEM = 3
    COUNT = 4
    """0 no items, 1 ``abs(ob_size)``, 2 digits of an int since 3.12."""
    HEAD = 5
    """Bytes before the object that ``sys.getsizeof`` counts."""
    DICT_OFFSET = 6
    WORDS_FROM = 7
    WORDS_TO = 8
    LABELS = 9
    """Where this type's words begin in the label arrays, less ``WORDS_FROM / 8``."""
    CACHED_KEYS = 10
    """Address of the keys that instances share, 0 for none."""


UNRESOLVED = 64
"""Added to a reference's kind while its label is still the node of a str object, or its existence in doubt (STACK)."""

UNKNOWN_WORD = -1
IGNORED_WORD = -2

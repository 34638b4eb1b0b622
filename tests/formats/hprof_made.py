"""Heap dumps of a JVM for tests, in a few lines; what is not said is as HotSpot writes it.

made = Made()
session = made.class_("app.Session", id="L", closed="Z")
made.static(made.class_("app.Main"), "OPEN", made.object(session, closed=True))
path.write_bytes(made.content())
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

CODES = {"L": 2, "Z": 4, "C": 5, "F": 6, "D": 7, "B": 8, "S": 9, "I": 10, "J": 11}
"""Types of fields by the letters of class files; L is any object."""
_FORMATS = {"Z": "?", "C": "H", "F": "f", "D": "d", "B": "b", "S": "h", "I": "i", "J": "q"}
STEP = 0x100
STICKY, JNI_GLOBAL, JAVA_FRAME, THREAD = 0x05, 0x01, 0x03, 0x08
Number = int | float | bool


@dataclass
class Class:
    """``fields``: of its instances, name and letter; ``statics`` with their values."""

    id: int
    name: str
    base: Class | None
    fields: dict[str, str]
    statics: list[tuple[str, str, Number]] = field(default_factory=list)
    loader: int = 0


class Made:
    """Objects get ascending ids, ``STEP`` apart, unless they are given one; 0 is null.

    ``top`` are records before the heap, ``heap`` those in it, in the order in which they were made.
    """

    def __init__(self, id_bytes: int = 8, version: bytes = b"JAVA PROFILE 1.0.2", millis: int = 1_700_000_000_000):
        self.id_bytes = id_bytes
        self.version = version
        self.millis = millis
        self.top: list[bytes] = []
        self.heap: list[bytes] = []
        self.classes: dict[str, Class] = {}
        self._texts: dict[bytes, int] = {}
        self._next = 0x10000
        self.object_class = self.class_("java.lang.Object")
        self.class_("java.lang.Class")
        self.string_class = self.class_("java.lang.String", value="L", coder="B")

    def id(self, number: int) -> bytes:
        """An id as it stands in the file."""
        return number.to_bytes(self.id_bytes, "big")

    def new_id(self) -> int:
        """The next one."""
        self._next += STEP
        return self._next

    def record(self, tag: int, body: bytes) -> None:
        """One at the top."""
        self.top.append(record(tag, body))

    def text(self, text: str | bytes) -> int:
        """The id of a name, in Java's UTF-8."""
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        if raw not in self._texts:
            self._texts[raw] = 0x900000 + len(self._texts)
            self.record(0x01, self.id(self._texts[raw]) + raw)
        return self._texts[raw]

    def class_(self, name: str | bytes, base: Class | None = None, /, *, at: int | None = None, **fields: str) -> Class:
        """A class with these fields; of ``java.lang.Object`` unless it has a ``base``. Written by ``content``."""
        written = name if isinstance(name, bytes) else name.replace(".", "/").encode("utf-8", "surrogatepass")
        key = written.decode("latin-1").replace("/", ".")
        top = self.classes.get("java.lang.Object")
        made = Class(self.new_id() if at is None else at, key, base or top, fields)
        self.classes[key] = made
        serial = len(self.classes)
        self.record(0x02, struct.pack(">I", serial) + self.id(made.id) + bytes(4) + self.id(self.text(written)))
        return made

    def serial(self, of: Class) -> int:
        """What stack frames call a class."""
        return list(self.classes.values()).index(of) + 1

    def static(self, of: Class, name: str, value: Number, letter: str = "L") -> None:
        """A class variable; the class is a root, as those of the system's own loader are."""
        of.statics.append((name, letter, value))
        self.root(STICKY, of.id)

    def object(self, of: Class, /, *, at: int | None = None, **values: Number) -> int:
        """An instance; fields that are not named are null or 0."""
        made = self.new_id() if at is None else at
        data = b"".join(
            self._value(letter, values.get(name, 0)) for cls in _bases(of) for name, letter in cls.fields.items()
        )
        self.heap.append(self._head(0x21, made) + self.id(of.id) + struct.pack(">I", len(data)) + data)
        return made

    def array(self, elements: Sequence[int], of: Class | None = None, at: int | None = None) -> int:
        """Of objects."""
        made = self.new_id() if at is None else at
        cls = of or self.classes.get("[Ljava.lang.Object;") or self.class_("[Ljava.lang.Object;")
        items = b"".join(map(self.id, elements))
        self.heap.append(self._head(0x22, made) + struct.pack(">I", len(elements)) + self.id(cls.id) + items)
        return made

    def numbers(self, letter: str, elements: Sequence[Number] | bytes, at: int | None = None) -> int:
        """An array of numbers; of bytes as they are."""
        made = self.new_id() if at is None else at
        data = elements if isinstance(elements, bytes) else b"".join(self._value(letter, each) for each in elements)
        head = self._head(0x23, made) + struct.pack(">IB", len(elements), CODES[letter])
        self.heap.append(head + data)
        return made

    def string(self, text: str) -> int:
        """A ``java.lang.String`` of JDK 9 and later."""
        is_latin = all(ord(letter) < 256 for letter in text)
        raw = text.encode("latin-1") if is_latin else text.encode("utf-16-le", "surrogatepass")
        return self.object(self.string_class, value=self.numbers("B", raw), coder=int(not is_latin))

    def root(self, tag: int, id: int, *more: int) -> None:
        """A reason to live; ``more`` are its serials and depths."""
        self.heap.append(bytes([tag]) + self.id(id) + struct.pack(f">{len(more)}I", *more))

    def jni_global(self, id: int) -> None:
        """A root that has a second id behind its own."""
        self.heap.append(bytes([JNI_GLOBAL]) + self.id(id) + self.id(1))

    def frame(self, method: str, file: str, of: Class, line: int) -> int:
        """The id of one frame of a stack."""
        frame = 0xF000 + len(self.top)
        body = [frame, self.text(method), self.text("()V"), self.text(file)]
        self.record(0x04, b"".join(map(self.id, body)) + struct.pack(">Ii", self.serial(of), line))
        return frame

    def trace(self, serial: int, frames: Sequence[int], thread: int) -> None:
        """A stack, the innermost frame first."""
        self.record(0x05, struct.pack(">III", serial, thread, len(frames)) + b"".join(map(self.id, frames)))

    def class_dumps(self) -> list[bytes]:
        """One record for each class that was made."""
        return [self._class_dump(cls) for cls in self.classes.values()]

    def header(self) -> bytes:
        """What a dump begins with."""
        return self.version + b"\0" + struct.pack(">IQ", self.id_bytes, self.millis)

    def content(self, segments: int = 1, classes_last: bool = False) -> bytes:
        """The file, its heap in so many segments; 0: as one record in the manner of old JVMs."""
        dumps = self.class_dumps()
        parts = [*self.heap, *dumps] if classes_last else [*dumps, *self.heap]
        if not segments:
            return self.header() + b"".join(self.top) + record(0x0C, b"".join(parts))
        size = -(-len(parts) // segments)
        cut = [record(0x1C, b"".join(parts[at : at + size])) for at in range(0, len(parts), size)]
        return self.header() + b"".join(self.top) + b"".join(cut) + record(0x2C, b"")

    def _head(self, tag: int, id: int) -> bytes:
        return bytes([tag]) + self.id(id) + bytes(4)

    def _value(self, letter: str, value: Number) -> bytes:
        return self.id(int(value)) if letter == "L" else struct.pack(">" + _FORMATS[letter], value)

    def _class_dump(self, cls: Class) -> bytes:
        size = sum(len(self._value(letter, 0)) for each in _bases(cls) for letter in each.fields.values())
        ids = [cls.base.id if cls.base else 0, cls.loader, 0, 0, 0, 0]
        statics = [
            self.id(self.text(name)) + bytes([CODES[letter]]) + self._value(letter, value)
            for name, letter, value in cls.statics
        ]
        fields = [self.id(self.text(name)) + bytes([CODES[letter]]) for name, letter in cls.fields.items()]
        counted = [struct.pack(">H", len(part)) + b"".join(part) for part in (statics, fields)]
        head = self._head(0x20, cls.id) + b"".join(map(self.id, ids)) + struct.pack(">IH", size, 0)
        return head + b"".join(counted)


def record(tag: int, body: bytes) -> bytes:
    """One at the top of a dump."""
    return struct.pack(">BII", tag, 0, len(body)) + body


def _bases(of: Class | None) -> Iterator[Class]:
    """The class and those above it, as their fields follow each other in an instance."""
    while of is not None:
        yield of
        of = of.base

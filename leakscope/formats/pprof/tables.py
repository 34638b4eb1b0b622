"""The tables of a ``Profile`` message (profile.proto): texts, functions, locations, samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from leakscope.formats.pprof.wire import Field, Malformed, fields, numbers, signed
from leakscope.graph.profile import Place, Stack

_MOST_SAMPLES = 5_000_000
_DEEPEST = 10_000


@dataclass
class Tables:
    """The message as it stands in the file; texts by index, functions and locations by id."""

    texts: list[str] = field(default_factory=list)
    value_types: list[tuple[int, int]] = field(default_factory=list)
    """Name and unit of each value of a sample, as texts."""
    functions: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Name and file, as texts."""
    locations: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """Function and line, the innermost inlined one first."""
    addresses: dict[int, int] = field(default_factory=dict)
    samples: list[tuple[list[int], list[int]]] = field(default_factory=list)
    """Locations, the innermost first, and values."""
    time_nanos: int = 0
    period: int = 0
    has_period_type: bool = False

    def text(self, index: int) -> str:
        """A text of the table. Malformed for an index behind its end."""
        if index >= len(self.texts):
            raise Malformed(f"text {index} of {len(self.texts)} is asked for")
        return self.texts[index]

    def stack(self, locations: list[int]) -> Stack:
        """The places of a sample's locations."""
        return tuple(place for location in locations for place in self._places(location))

    def _places(self, location: int) -> list[Place]:
        lines = self.locations.get(location)
        if lines is None:
            raise Malformed(f"a sample is at location {location}, which is not described")
        if not lines:
            return [Place(hex(self.addresses.get(location, 0)), "", 0)]
        return [self._place(function, line) for function, line in lines]

    def _place(self, function: int, line: int) -> Place:
        if function not in self.functions:
            raise Malformed(f"a location is in function {function}, which is not described")
        name, file = self.functions[function]
        return Place(self.text(name) or "?", self.text(file), max(0, signed(line)))


def read_tables(data: bytes) -> Tables:
    """The whole message. Malformed if it is none."""
    tables = Tables()
    readers: dict[int, Callable[[bytes, Field], None]] = {
        1: lambda data, each: tables.value_types.append(_pair(data, each)),
        2: lambda data, each: _sample(tables, data, each),
        4: lambda data, each: _location(tables, data, each),
        5: lambda data, each: _function(tables, data, each),
        6: lambda data, each: tables.texts.append(data[each.value : each.end].decode("utf-8", "replace")),
    }
    for each in fields(data, 0, len(data)):
        if each.number in readers:
            if each.end < 0:
                raise Malformed(f"field {each.number} is a number where a message belongs")
            readers[each.number](data, each)
        elif each.number == 9:
            tables.time_nanos = signed(each.value)
        elif each.number == 11:
            tables.has_period_type = True
        elif each.number == 12:
            tables.period = signed(each.value)
    return tables


def _numbers(data: bytes, message: Field) -> dict[int, int]:
    """The numbers of a message by field; the last one counts."""
    return {each.number: each.value for each in fields(data, message.value, message.end) if each.end < 0}


def _pair(data: bytes, message: Field) -> tuple[int, int]:
    told = _numbers(data, message)
    return told.get(1, 0), told.get(2, 0)


def _sample(tables: Tables, data: bytes, message: Field) -> None:
    locations: list[int] = []
    values: list[int] = []
    for each in fields(data, message.value, message.end):
        if each.number == 1:
            locations += numbers(data, each)
        elif each.number == 2:
            values += [signed(value) for value in numbers(data, each)]
    if len(tables.samples) >= _MOST_SAMPLES or len(locations) > _DEEPEST:
        raise Malformed(f"more than {_MOST_SAMPLES:,} samples, or a stack deeper than {_DEEPEST:,}")
    tables.samples.append((locations, values))


def _location(tables: Tables, data: bytes, message: Field) -> None:
    number, lines = 0, []
    for each in fields(data, message.value, message.end):
        if each.number == 1 and each.end < 0:
            number = each.value
        elif each.number == 3 and each.end < 0:
            tables.addresses[number] = each.value
        elif each.number == 4 and each.end >= 0:
            lines.append(_pair(data, each))
    tables.locations[number] = lines


def _function(tables: Tables, data: bytes, message: Field) -> None:
    told = _numbers(data, message)
    tables.functions[told.get(1, 0)] = (told.get(2, 0), told.get(4, 0))

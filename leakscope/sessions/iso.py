"""Times that are written as text: ``2026-11-21T08:02:34.5Z`` and its relatives (ISO 8601)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import numpy as np

from leakscope.graph.heap import Int32s
from leakscope.graph.values import Value, Values, ValueSource

SHORTEST, LONGEST = len("2026-11-21T08:02"), len("2026-11-21 08:02:34.123456789 +00:00:00")
_TEXT = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)[T ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)?"
    r" ?(?:(Z|UTC)|([+-])(\d\d):?(\d\d)?(?::?(\d\d))?)?",
    re.ASCII | re.IGNORECASE,
)


def with_texts_read(nodes: Int32s, values: Values, source: ValueSource) -> Values:
    """``values`` of ``nodes``, in which texts that write a time are datetimes; each text is read once."""
    short = (values.kind == Value.TEXT) & (values.number >= SHORTEST) & (values.number <= LONGEST)
    if not short.any():
        return values
    unique, inverse = np.unique(nodes[short], return_inverse=True)
    read = [iso_time(source.text(node, LONGEST) or "") for node in unique.tolist()]
    kind, number = values.kind.copy(), values.number.copy()
    kind[short] = np.array([each[0] for each in read], dtype=np.uint8)[inverse]
    number[short] = np.array([each[1] for each in read])[inverse]
    return Values(kind, number)


def iso_time(text: str) -> tuple[Value, float]:
    """AWARE or NAIVE with its epoch seconds; TEXT if it writes no time."""
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        return Value.TEXT, float(len(text))
    year, month, day, hour, minute, second, fraction, utc, sign, hours, minutes, more = found.groups()
    try:
        date = datetime(int(year), int(month), int(day), int(hour), int(minute), tzinfo=timezone.utc)
        moment = date + timedelta(seconds=int(second or 0))
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0), seconds=int(more or 0))
    except (ValueError, OverflowError):
        return Value.TEXT, float(len(text))
    ahead = offset.total_seconds() * (-1 if sign == "-" else 1)
    return (
        Value.AWARE if utc or sign else Value.NAIVE,
        moment.timestamp() + float(f"0.{fraction or 0}") - ahead,
    )

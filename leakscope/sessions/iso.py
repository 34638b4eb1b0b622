"""Times that are written as text: ``2026-11-21T08:02:34.5Z`` and its relatives (ISO 8601)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import numpy as np
import numpy.typing as npt

from leakscope.graph.heap import Floats, Int8s, Int32s, Int64s
from leakscope.graph.values import Value, Values, ValueSource

SHORTEST, LONGEST = len("2026-11-21T08:02"), len("2026-11-21 08:02:34.123456789 +00:00:00")
Bools = npt.NDArray[np.bool_]

_TEXT = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)[T ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)?"
    r" ?(?:(Z|UTC)|([+-])(\d\d):?(\d\d)?(?::?(\d\d))?)?",
    re.ASCII | re.IGNORECASE,
)
_USUAL = "0000-00-00T00:00:00"
_SECOND = len(_USUAL)


def with_texts_read(nodes: Int32s, values: Values, source: ValueSource) -> Values:
    """``values`` of ``nodes``, in which texts that write a time are datetimes."""
    short = np.flatnonzero((values.kind == Value.TEXT) & (values.number >= SHORTEST) & (values.number <= LONGEST))
    if not len(short):
        return values
    kind, number = values.kind.copy(), values.number.copy()
    texts = source.short_texts(nodes[short], LONGEST + 1)
    usual, aware, seconds = _usual_times(texts)
    kind[short[usual]] = np.where(aware, Value.AWARE, Value.NAIVE)[usual]
    number[short[usual]] = seconds[usual]
    for row in np.flatnonzero(~usual & _begins_like_a_time(texts)).tolist():
        text = texts[row].tobytes().rstrip(b"\0").decode("latin-1")
        kind[short[row]], number[short[row]] = iso_time(text)
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


def _usual_times(texts: Int8s) -> tuple[Bools, Bools, Floats]:
    """``(read, aware, seconds)`` by row of ``texts``, for the forms that ``isoformat`` and JSON write."""
    is_digit = (texts >= ord("0")) & (texts <= ord("9"))
    separators = [column for column, shown in enumerate(_USUAL) if shown in "-:"]
    digits = [column for column, shown in enumerate(_USUAL) if shown == "0"]
    read: Bools = is_digit[:, digits].all(axis=1) & np.isin(texts[:, 10], (ord("T"), ord(" ")))
    for column in separators:
        read &= texts[:, column] == ord(_USUAL[column])
    seconds, sound = _date_and_time(texts)
    fraction, end = _fraction(texts, is_digit)
    ahead, aware, ends = _zone(texts, is_digit, end)
    return read & sound & ends, aware, seconds + fraction - ahead


def _date_and_time(texts: Int8s) -> tuple[Floats, Bools]:
    """Epoch seconds as if it were UTC, and where there are such a day and such a time of day."""
    year, month, day = _number(texts, 0, 4), _number(texts, 5, 2), _number(texts, 8, 2)
    hour, minute, second = (_number(texts, column, 2) for column in (11, 14, 17))
    sound: Bools = (year > 0) & (month >= 1) & (month <= 12) & (hour < 24) & (minute < 60) & (second < 60)
    months = ((year - 1970) * 12 + np.clip(month, 1, 12) - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    sound &= days.astype("datetime64[M]") == months
    whole = days.astype(np.int64) * 86400 + hour * 3600 + minute * 60 + second
    return whole.astype(np.float64), sound


def _fraction(texts: Int8s, is_digit: Bools) -> tuple[Floats, Int64s]:
    """What stands behind the point, and the column at which it ends."""
    first = _SECOND + 1
    run = np.logical_and.accumulate(is_digit[:, first : first + 9], axis=1)
    run &= (texts[:, _SECOND] == ord("."))[:, None]
    digits = np.where(run, texts[:, first : first + 9].astype(np.float64) - ord("0"), 0.0)
    length = run.sum(axis=1)
    return digits @ (0.1 ** np.arange(1, 10)), np.where(length > 0, first + length, _SECOND)


def _zone(texts: Int8s, is_digit: Bools, column: Int64s) -> tuple[Floats, Bools, Bools]:
    """Seconds ahead of UTC, whether a zone is written at ``column``, and whether the text ends behind it."""
    rows = np.arange(len(texts))
    tail = texts[rows[:, None], np.minimum(column[:, None] + np.arange(7), texts.shape[1] - 1)]
    digit = is_digit[rows[:, None], np.minimum(column[:, None] + np.arange(7), texts.shape[1] - 1)]
    utc = (tail[:, 0] == ord("Z")) & (tail[:, 1] == 0)
    offset = np.isin(tail[:, 0], (ord("+"), ord("-"))) & (tail[:, 3] == ord(":")) & (tail[:, 6] == 0)
    offset &= digit[:, [1, 2, 4, 5]].all(axis=1)
    sign = np.where(tail[:, 0] == ord("-"), -1.0, 1.0)
    ahead = np.where(offset, sign * (_number(tail, 1, 2) * 3600 + _number(tail, 4, 2) * 60), 0.0)
    return ahead, utc | offset, utc | offset | (tail[:, 0] == 0)


def _begins_like_a_time(texts: Int8s) -> Bools:
    """A cheap look, so that only texts which may be times are read one by one."""
    is_digit = (texts >= ord("0")) & (texts <= ord("9"))
    split = np.isin(texts, (ord("T"), ord("t"), ord(" ")))
    found: Bools = is_digit[:, :4].all(axis=1) & (split[:, 8] | split[:, 10])
    return found


def _number(texts: Int8s, column: int, digits: int) -> Int64s:
    """The number that these columns write; anything where they are no digits."""
    found = np.zeros(len(texts), dtype=np.int64)
    for at in range(column, column + digits):
        found = found * 10 + texts[:, at] - ord("0")
    return found

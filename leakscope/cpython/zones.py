"""What datetimes with a zone other than ``datetime.timezone`` are in epoch seconds; MISSING where it is not certain.

The offset of a named zone is looked up in leakscope's own zone data, for the same key.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from leakscope.graph.heap import Floats, HeapGraph, Int8s, Int32s
from leakscope.graph.kinds import Ref
from leakscope.graph.values import Value, ValueSource
from leakscope.kernels._arrays import UInt64s
from leakscope.kernels.edges import Edges
from leakscope.kernels.fields import follow

KEYS = {"zoneinfo.ZoneInfo": "key", "zoneinfo._zoneinfo.ZoneInfo": "_key", "backports.zoneinfo.ZoneInfo": "key"}
"""Which attribute of a zone is its key in the zone data."""
OFFSETS = {
    "pytz.tzinfo.DstTzInfo": "_utcoffset",
    "pytz.tzinfo.StaticTzInfo": "_utcoffset",
    "pytz._FixedOffset": "_utcoffset",
    "dateutil.tz.tz.tzoffset": "_offset",
    "psycopg2.tz.FixedOffsetTimezone": "_offset",
    "bson.tz_util.FixedOffset": "_FixedOffset__offset",
}
"""Which attribute of a zone is its offset from UTC, a timedelta; pytz has one object for each offset of a zone."""
UTC = frozenset({"pytz.UTC", "dateutil.tz.tz.tzutc"})

_EPOCH = datetime(1970, 1, 1)
_MINUTE = 60.0


class Zones:
    """Knows each zone of a heap once it was met."""

    def __init__(self, graph: HeapGraph, source: ValueSource) -> None:
        self._graph = graph
        self._source = source
        self._known: dict[int, float | ZoneInfo | None] = {}
        self._edges: Edges | None = None

    def settle(self, kind: Int8s, number: Floats, zone: UInt64s, fold: Int8s) -> None:
        """Turns local times of AWARE values (where ``zone`` is not 0) into epoch seconds, in place."""
        open_ = np.flatnonzero(zone)
        for address in np.unique(zone[open_]).tolist():
            mine = open_[zone[open_] == address]
            offset = self._zone(address)
            if offset is None:
                kind[mine], number[mine] = Value.MISSING, np.nan
            elif isinstance(offset, float):
                number[mine] -= offset
            else:
                number[mine] -= _offsets(offset, number[mine], fold[mine])
                kind[mine[np.isnan(number[mine])]] = Value.MISSING

    def _zone(self, address: int) -> float | ZoneInfo | None:
        """Seconds east of UTC, or a zone that knows them for each time; None if nobody does."""
        if address not in self._known:
            node = int(np.searchsorted(self._graph.address, np.uint64(address)))
            there = node < self._graph.objects and int(self._graph.address[node]) == address
            self._known[address] = self._read(node) if there else None
        return self._known[address]

    def _read(self, node: int) -> float | ZoneInfo | None:
        for name in self._bases(node):
            if name in UTC:
                return 0.0
            if name in OFFSETS:
                found = self._source.values(self._attribute(node, OFFSETS[name]))
                return float(found.number[0]) if found.kind[0] == Value.DURATION else None
            if name in KEYS:
                return _zone_info(self._source.text(int(self._attribute(node, KEYS[name])[0])))
        return None

    def _bases(self, node: int) -> list[str]:
        names, row = [], int(self._graph.type[node])
        while row >= 0:
            names.append(self._graph.types.name[row])
            row = int(self._graph.types.base[row])
        return names

    def _attribute(self, node: int, name: str) -> Int32s:
        """The node of one attribute of an object or else of its class, as an array of one; -1 for none."""
        graph = self._graph
        if self._edges is None:
            self._edges = Edges(graph.first_ref, graph.target, graph.kind, ())
        label = graph.names.index(name) if name in graph.names else -2
        found = follow(self._edges, graph.label, np.array([node], np.int32), label, (Ref.ATTR, Ref.INTERNAL))
        if found[0] >= 0:
            return found
        return follow(self._edges, graph.label, graph.types.node[graph.type[[node]]], label, (Ref.GLOBAL,))


def _zone_info(key: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(key) if key else None
    except (OSError, ValueError, LookupError):  # no such zone here; a key of a foreign heap may be anything
        return None


def _offsets(zone: ZoneInfo, local: Floats, fold: Int8s) -> Floats:
    """Seconds east of UTC at local times. Offsets change at whole minutes, so one look-up per minute is enough."""
    minutes, inverse = np.unique(np.floor(local / _MINUTE) * 2 + fold, return_inverse=True)
    found = [_offset(zone, minute // 2 * _MINUTE, int(minute % 2)) for minute in minutes.tolist()]
    return np.array(found, np.float64)[inverse]


def _offset(zone: ZoneInfo, local: float, fold: int) -> float:
    try:
        offset = (_EPOCH + timedelta(seconds=local)).replace(tzinfo=zone, fold=fold).utcoffset()
    except (OverflowError, ValueError):
        return float("nan")
    return offset.total_seconds() if offset is not None else float("nan")

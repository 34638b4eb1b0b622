"""Where the members of a snapshot's JSON object are, and what its ``meta`` says of its columns."""

from __future__ import annotations

import json
import mmap
from dataclasses import dataclass
from typing import Any

_LONGEST_KEY = 64
_META_BYTES = 1 << 20
_BLANKS = b" \n\r\t,"
NODE_FIELDS = ("type", "name", "id", "self_size", "edge_count")
EDGE_FIELDS = ("type", "name_or_index", "to_node")


class Malformed(ValueError):  # noqa: N818 - a finding about a file
    """Not what a heap snapshot is; the text says in which way, and at which offset."""


@dataclass(frozen=True)
class Meta:
    """What ``snapshot.meta`` says."""

    node_fields: tuple[str, ...]
    node_types: tuple[str, ...]
    edge_fields: tuple[str, ...]
    edge_types: tuple[str, ...]
    location_fields: tuple[str, ...]
    nodes: int
    edges: int


@dataclass(frozen=True)
class Members:
    """A snapshot's parts; the spans are offsets into the file, of what stands between the brackets."""

    meta: Meta
    spans: dict[str, tuple[int, int]]

    def span(self, name: str) -> tuple[int, int]:
        """Malformed if the member is not there."""
        if name not in self.spans:
            raise Malformed(f"it has no {name!r}: is it cut off?")
        return self.spans[name]


def find_members(data: mmap.mmap) -> Members:
    """The members of the file. Malformed if it is no heap snapshot, or ends too early."""
    at = _skip(data, 0)
    if data[at : at + 1] != b"{":
        raise Malformed("it does not begin with an object")
    at += 1
    meta: Meta | None = None
    spans: dict[str, tuple[int, int]] = {}
    while True:
        at = _skip(data, at)
        if data[at : at + 1] != b'"':
            break
        key, at = _key(data, at)
        if key == "snapshot":
            meta, at = _read_meta(data, at)
        elif data[at : at + 1] == b"[":
            end = _end(data, key, at)
            spans[key] = (at + 1, end)
            at = end + 1
        else:
            raise Malformed(f"{key!r} at offset {at} is no table")
    if meta is None:
        raise Malformed("it does not say what its columns are")
    return Members(meta, spans)


def _skip(data: mmap.mmap, at: int) -> int:
    while data[at : at + 1] and data[at : at + 1] in _BLANKS:
        at += 1
    return at


def _key(data: mmap.mmap, at: int) -> tuple[str, int]:
    """The key that begins at ``at``, and where its value begins."""
    end = data.find(b'"', at + 1, at + _LONGEST_KEY)
    colon = _skip(data, end + 1)
    if end < 0 or data[colon : colon + 1] != b":":
        raise Malformed(f"there is no key at offset {at}")
    return data[at + 1 : end].decode("ascii", "replace"), _skip(data, colon + 1)


def _end(data: mmap.mmap, key: str, at: int) -> int:
    """Where the table that begins at ``at`` ends: tables of numbers have no quotes in them, that of texts is last."""
    behind = len(data) if key == "strings" else data.find(b'"', at)
    end = data.rfind(b"]", at, behind if behind >= 0 else len(data))
    if end < 0:
        raise Malformed(f"the table {key!r} at offset {at} has no end: the file is cut off")
    return end


def _read_meta(data: mmap.mmap, at: int) -> tuple[Meta, int]:
    text = data[at : at + _META_BYTES].decode("latin-1")
    try:
        told, length = json.JSONDecoder().raw_decode(text)
        return _meta(told), at + length
    except (ValueError, TypeError, KeyError, LookupError, AttributeError, RecursionError) as error:
        raise Malformed(f"its description at offset {at} cannot be read: {error}") from None


def _meta(told: dict[str, Any]) -> Meta:
    fields = told["meta"]
    meta = Meta(
        node_fields=_names(fields["node_fields"]),
        node_types=_names(fields["node_types"][0]),
        edge_fields=_names(fields["edge_fields"]),
        edge_types=_names(fields["edge_types"][0]),
        location_fields=_names(fields.get("location_fields", [])),
        nodes=int(told["node_count"]),
        edges=int(told["edge_count"]),
    )
    for wanted, there in ((NODE_FIELDS, meta.node_fields), (EDGE_FIELDS, meta.edge_fields)):
        lacking = [name for name in wanted if name not in there]
        if lacking:
            raise ValueError(f"no column {lacking[0]!r}")
    if (
        not (0 <= meta.nodes < 1 << 31 and 0 <= meta.edges < 1 << 31)
        or max(len(meta.node_types), len(meta.edge_types)) > 255
    ):
        raise ValueError("more nodes, edges or types than there can be")
    return meta


def _names(told: Any) -> tuple[str, ...]:
    if not isinstance(told, list) or not all(isinstance(name, str) for name in told) or len(set(told)) < len(told):
        raise ValueError("a list of different names is expected")
    return tuple(told)

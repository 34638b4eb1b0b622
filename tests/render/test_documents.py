"""JSON documents: exactly the shapes of DESIGN's section on JSON and of the shipped schemas."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import jsonschema
import pytest

from fixtures.findings import CLUSTER, DIFF, FAILED, PROCESSES, REPORT, SNAPSHOT
from leakscope.findings.model import Check, ClassRow
from leakscope.render import documents, gate_documents

DOCUMENTS: dict[str, dict[str, Any]] = {
    "ps": documents.ps(PROCESSES),
    "doctor": documents.doctor("4242", [Check("rights", "failed", "no", "Use sudo.")]),
    "snapshot": documents.snapshot("4242", SNAPSHOT),
    "sessions": documents.sessions("a.leakscope", REPORT),
    "chains": documents.chains("a.leakscope", [CLUSTER]),
    "top": documents.top("a.leakscope", [ClassRow("dict", 7, 0, 1023)]),
    "diff": documents.diff(["a.leakscope", "b.leakscope"], DIFF),
    "gate": gate_documents.gate(["a.leakscope"], FAILED),
    "demo": documents.demo("4242", [documents.top("a.leakscope", [])]),
}


def schema(command: str) -> dict[str, Any]:
    text = resources.files("leakscope.render").joinpath("schemas", f"{command}.json").read_text()
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@pytest.mark.parametrize("command", DOCUMENTS)
def test_a_document_fits_its_schema(command: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(command))
    jsonschema.validate(json.loads(json.dumps(DOCUMENTS[command])), schema(command))


@pytest.mark.parametrize("command", DOCUMENTS)
def test_a_schema_refuses_what_it_does_not_know(command: str) -> None:
    for change in ({"command": "other"}, {"extra": 1}, {"schema": "leakscope/2"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**DOCUMENTS[command], **change}, schema(command))


def test_every_document_begins_alike() -> None:
    for command, document in DOCUMENTS.items():
        assert list(document)[:3] == ["schema", "command", "source"]
        assert document["command"] == command


def test_chains_field_by_field() -> None:
    (cluster,) = documents.chains("a.leakscope", [CLUSTER])["clusters"]
    assert cluster.pop("steps")[1:3] == [
        {"edge": "item", "type": "_asyncio.Task", "function": None, "file": None, "line": None},
        {
            "edge": ".coro",
            "type": "coroutine",
            "function": "remind",
            "file": "/srv/shop/web.py",
            "line": 42,
        },
    ]
    assert cluster == {
        "fingerprint": "0123456789ab",
        "class": "shop.web.Session",
        "count": 1234,
        "retained_bytes": 5242880,
        "root": {"kind": "module", "name": "shop.web", "file": None, "line": None},
        "text": "shop.web .PENDING -> item -> .coro -> local 'session'",
        "sample_addresses": ["0x7f0000001000", "0x7f0000002000"],
    }


def test_sessions_uses_the_names_of_the_design() -> None:
    document = DOCUMENTS["sessions"]
    assert set(document["classes"][0]) == {
        *("class", "count", "closed_retained", "overdue", "oldest_s", "median_s", "retained_bytes", "uncollected")
    }
    assert set(document["items"][0]) == {
        *("address", "class", "id", "state", "age_s", "age_source", "idle_s", "ttl_s"),
        *("flags", "retained_bytes", "fingerprint", "age_at_least", "left_s", "rule"),
    }
    assert document["items"][0]["address"] == "0x7f0000001000"

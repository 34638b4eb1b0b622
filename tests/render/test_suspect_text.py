"""Suspects as text and JSON: the whole answer, foreign names escaped, nothing to say said plainly."""

from __future__ import annotations

import dataclasses
import json
from importlib import resources

import jsonschema
import pytest

from fixtures.findings import CLUSTER, HOSTILE, HOSTILE_SHOWN
from leakscope.findings.suspects import Candidate, Harmless, Suspect, SuspectReport
from leakscope.render import suspect_documents, suspect_text
from leakscope.render.screen import Screen

SUSPECT = Suspect(
    rank=1,
    kind="pending task",
    class_="shop.web.Session",
    count=1234,
    growth_per_step=40.5,
    retained_bytes=5 * 1024 * 1024,
    fingerprint="0123456789ab",
    holder="shop.web.PENDING",
    file="/srv/shop/web.py",
    line=42,
    chain="shop.web.PENDING, member -> _asyncio.Task",
    evidence=("grew by 40, 41 in 2 steps", "held by shop.web.PENDING (set, 1,234 entries, no bound found)"),
    remedy="Cancel the task.",
    link="https://docs.python.org/3/library/asyncio-task.html",
    root=CLUSTER.root,
    steps=CLUSTER.steps,
    sample_addresses=(0x7F0000001000,),
)
REPORT = SuspectReport(
    suspects=(SUSPECT,),
    candidates=(Candidate(HOSTILE, 500, "shop.CACHE", "a large container without a bound"),),
    harmless=(Harmless("re.Pattern", 90, "re._cache", "at most 512"),),
    notes=("Two snapshots cannot tell.",),
    total=3,
    snapshots=3,
    same_process=True,
)

TEXT = f"""\
 1. pending task: 1,234 x shop.web.Session, 40.5 more each step, 5.0 MiB retained  fingerprint 0123456789ab
    held by    shop.web.PENDING  /srv/shop/web.py:42
    chain      shop.web.PENDING, member -> _asyncio.Task
    evidence   grew by 40, 41 in 2 steps
               held by shop.web.PENDING (set, 1,234 entries, no bound found)
    remedy     Cancel the task.
               https://docs.python.org/3/library/asyncio-task.html
    for one    0x7f0000001000

2 more, less certain or smaller: --limit 3 shows them.

no suspects, but worth another snapshot
    500 x {HOSTILE_SHOWN} in shop.CACHE: a large container without a bound

Two snapshots cannot tell.
"""


def test_the_whole_answer() -> None:
    assert suspect_text.suspects(REPORT, Screen(width=140)) == TEXT


def test_harmless_growth_only_where_asked_for() -> None:
    shown = suspect_text.suspects(REPORT, Screen(width=140), harmless=True)
    assert "    90 x re.Pattern in re._cache: at most 512\n" in shown
    assert "harmless" not in suspect_documents.suspects(["a"], REPORT)
    assert len(suspect_documents.suspects(["a"], REPORT, harmless=True)["harmless"]) == 1


@pytest.mark.parametrize(
    ("snapshots", "same", "says"),
    [
        (1, False, "no session that should be gone"),
        (3, True, "of these 3 snapshots"),
        (2, False, "the newest of these"),
    ],
)
def test_nothing_found_is_said_plainly(snapshots: int, same: bool, says: str) -> None:
    report = SuspectReport((), (), (), (), 0, snapshots, same)
    shown = suspect_text.suspects(report, Screen())
    assert shown.startswith("Nothing is suspected") and says in " ".join(shown.split())


def test_no_name_can_steer_the_terminal() -> None:
    hostile = dataclasses.replace(SUSPECT, class_=HOSTILE, holder=HOSTILE, chain=HOSTILE, evidence=(HOSTILE,))
    shown = suspect_text.suspects(dataclasses.replace(REPORT, suspects=(hostile,)), Screen(width=200))
    assert "\x1b" not in shown and "\x9b" not in shown and "\u202e" not in shown
    assert shown.count(HOSTILE_SHOWN) == 5


def test_the_document_fits_its_schema() -> None:
    schema = json.loads(resources.files("leakscope.render").joinpath("schemas", "suspects.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for harmless in (False, True):
        document = json.loads(json.dumps(suspect_documents.suspects(["a.leakscope"], REPORT, harmless)))
        jsonschema.validate(document, schema)
        assert list(document)[:3] == ["schema", "command", "source"]
        assert document["suspects"][0]["class"] == "shop.web.Session"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "extra": 1}, schema)

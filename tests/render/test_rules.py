"""Rules as text and as a document: what is odd is told, hostile names are harmless."""

from __future__ import annotations

import json
from importlib import resources

import jsonschema

from fixtures.findings import HOSTILE, HOSTILE_SHOWN
from leakscope.findings.rules import Count, RuleFault, RuleReport, RuleRow, RuleUse
from leakscope.render import documents, rule_text
from leakscope.render.screen import Screen

MANY = tuple(Count(f"app.C{number}", 9 - number) for number in range(7))
USED = RuleRow(
    "used", "Used", "session", "mine.toml", ("app.*",), None, RuleUse(42, MANY, 1, (Count("a", 3),), ("id",))
)
IDLE = RuleRow("idle", "Idle", "task", "catalogue", (HOSTILE,), None, RuleUse(0, (), 0, (), ()))
OFF = RuleRow("off", "Off", "task", "catalogue", ("app.Off",), "mine.toml")
REPORT = RuleReport(
    (USED, IDLE, OFF), (RuleFault("mine.toml", "bad", HOSTILE), RuleFault("x.toml", None, "is no TOML"))
)


def test_the_answer_of_a_check() -> None:
    assert rule_text.rules(REPORT, Screen(width=100)).splitlines()[:7] == [
        "count  rule  source     classes",
        "   42  used  mine.toml  app.C0 (9), app.C1 (8), app.C2 (7), app.C3 (6), app.C4 (5), 2 more",
        "  used: id: no path led anywhere, for any of 42",
        "  used: when: does not hold for 1 of its classes' objects",
        "  used: claimed by an earlier rule: a (3)",
        "found nothing: idle",
        "disabled: off (catalogue, by mine.toml)",
    ]
    told = rule_text.rules(REPORT, Screen(width=200)).splitlines()
    assert told[-2:] == [f"problem: rule bad (mine.toml) skipped: {HOSTILE_SHOWN}", "problem: x.toml: is no TOML"]


def test_the_list() -> None:
    report = RuleReport((RuleRow("one", "One", "session", "catalogue", (HOSTILE,), None), OFF), ())
    told = rule_text.rules(report, Screen(width=120))
    assert HOSTILE_SHOWN in told
    assert "(disabled by mine.toml) app.Off" in told
    assert "\x1b" not in told


def test_nothing_at_all_is_an_answer_too() -> None:
    assert rule_text.rules(RuleReport((), (), "Nothing is recorded."), Screen()) == "Nothing is recorded.\n"


def test_the_document_fits_its_schema() -> None:
    schema = json.loads(resources.files("leakscope.render").joinpath("schemas", "rules.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(json.dumps(documents.rules("4242", REPORT)))
    jsonschema.validate(document, schema)
    assert [row["use"] and row["use"]["count"] for row in document["rules"]] == [42, 0, None]

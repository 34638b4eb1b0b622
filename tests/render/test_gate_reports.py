"""The gate's verdict in every format: complete, valid, and harmless whatever the heap called its things."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fixtures.findings import FAILED, HOSTILE_SHOWN, LEAK, PASSED
from leakscope.findings.gate import RULES, Verdict
from leakscope.render import gate_documents, gate_github, gate_junit, gate_markdown, gate_sarif, gate_text
from leakscope.render.screen import Screen
from tests.render.multitool import problems

FORMATS: dict[str, Callable[[Verdict], str]] = {
    "text": lambda verdict: gate_text.gate(verdict, Screen(width=100)),
    "json": gate_documents.report,
    "markdown": gate_markdown.report,
    "junit": gate_junit.report,
    "sarif": gate_sarif.report,
    "github": gate_github.report,
}


@pytest.mark.parametrize("format", FORMATS)
def test_a_leak_is_told_whole(format: str) -> None:
    told = re.sub(r"\\(?=\W)|\s+", " ", FORMATS[format](FAILED)) if format == "markdown" else FORMATS[format](FAILED)
    flat = re.sub(r"\s+", "", told)
    for part in (LEAK.message, LEAK.evidence[0], LEAK.remedy, "/srv/shop/web.py", "42", "ticket 7", "PENDING"):
        assert part is not None
        assert re.sub(r"\s+", "", part) in flat


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("verdict", [FAILED, PASSED], ids=["fail", "pass"])
def test_no_byte_can_steer_a_terminal(format: str, verdict: Verdict) -> None:
    told = FORMATS[format](verdict)
    assert told.encode("utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", told)


def test_text() -> None:
    told = FORMATS["text"](FAILED)
    assert told.startswith("FAIL: 3 leaks, 1 known\n")
    assert "10 objects per round, 0 objects allowed" in told
    assert "1.0 MiB, 1.0 KiB allowed" in told
    assert "age: 2h 00m, 1m 00s allowed" in told
    assert "the baseline allowed it until 2026-01-01" in told
    assert FORMATS["text"](PASSED).startswith("PASS: nothing new leaks, 1 known\n")


def test_junit_counts_and_reads_back() -> None:
    suites = ElementTree.fromstring(FORMATS["junit"](FAILED))
    (suite,) = suites
    cases = suite.findall("testcase")
    failures = suite.findall("testcase/failure")
    assert (len(cases), len(failures)) == (len(RULES), 3)
    assert (int(suite.get("tests", "")), int(suite.get("failures", ""))) == (len(cases), len(failures))
    assert cases[-3].get("file") == LEAK.file
    assert failures[0].get("message") == LEAK.message
    assert HOSTILE_SHOWN in (failures[1].get("message") or "")
    passing = ElementTree.fromstring(FORMATS["junit"](PASSED))
    assert passing.get("failures") == "0"
    assert [case.get("name") for case in passing.iter("testcase")] == list(RULES)
    assert "ticket 7" in FORMATS["junit"](PASSED)


def test_markdown_shows_foreign_text_and_never_reads_it() -> None:
    told = FORMATS["markdown"](FAILED)
    outside = re.sub(r"(`+).*?\1", "", told)
    assert not re.search(r"(?<!\\)[<>]|(?<!\\)\](?=\()", outside)
    assert "\\<img src=x onerror=alert" in told


def test_github_commands_are_one_line_each_and_cannot_be_forged() -> None:
    lines = FORMATS["github"](FAILED).splitlines()
    commands = [line for line in lines if line.startswith("::")]
    assert [line.split()[0] for line in commands] == ["::error"] * 3 + ["::notice"] * 2
    assert commands[0].startswith("::error file=/srv/shop/web.py,line=42,title=leakscope%3A growth::")
    properties = commands[1].split("::")[1]
    assert properties.count(",") == 1, "the hostile file name adds no property"
    assert len(lines) == len(commands) + 1


@pytest.mark.parametrize("verdict", [FAILED, PASSED], ids=["fail", "pass"])
def test_sarif_is_valid_by_the_official_validator(verdict: Verdict, tmp_path: Path) -> None:
    log = tmp_path / "leaks.sarif"
    log.write_text(FORMATS["sarif"](verdict))
    assert problems(log) == []


def test_the_validator_would_complain(tmp_path: Path) -> None:
    document = json.loads(FORMATS["sarif"](FAILED))
    document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    del document["runs"][0]["tool"]["driver"]["name"]
    log = tmp_path / "wrong.sarif"
    log.write_text(json.dumps(document))
    assert len(problems(log)) >= 2


def test_sarif_results_carry_fingerprint_place_and_suppression() -> None:
    (run,) = json.loads(FORMATS["sarif"](FAILED))["runs"]
    first, hostile, _, known = run["results"]
    assert first["partialFingerprints"] == {"leakscopeChain/v1": "0123456789ab"}
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "file:///srv/shop/web.py"},
        "region": {"startLine": 42},
    }
    assert run["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == first["ruleId"] == "leakscope/growth"
    assert HOSTILE_SHOWN in hostile["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]
    assert known["suppressions"][0]["justification"] == "ticket 7"
    assert "suppressions" not in first


def test_a_page_has_room_for_many_leaks() -> None:
    many = replace(FAILED, violations=(LEAK,) * 1000)
    told = FORMATS["markdown"](many)
    assert len(told) < 65_536
    assert told.count("fingerprint `") == 20
    assert "- and 880 more" in told


def test_sarif_always_has_a_file_and_a_line() -> None:
    """Code-scanning pages refuse a whole file for one result without them."""
    nowhere = replace(FAILED, violations=(replace(LEAK, file=None, line=None),))
    (run,) = json.loads(FORMATS["sarif"](nowhere))["runs"]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "leakscope-baseline.json"}, "region": {"startLine": 1}}

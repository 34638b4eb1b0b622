"""The gate's verdict as SARIF 2.1.0 (OASIS Standard), for code-scanning pages: one result per leak."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from leakscope import __version__
from leakscope.findings.gate import RULES, Verdict, Violation
from leakscope.render.escape import escaped
from leakscope.render.gate_text import found_and_limit

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_RULES = list(RULES)
_NO_FILE = "leakscope-baseline.json"


def report(verdict: Verdict) -> str:
    """The log; a leak that the baseline allows is a result that is suppressed, with its reason."""
    results = [_result(leak) for leak in verdict.violations]
    results += [_suppressed(leak) for leak in verdict.known]
    driver = {"name": "leakscope", "semanticVersion": __version__, "rules": [_rule(name) for name in _RULES]}
    run = {
        "tool": {"driver": driver},
        "results": results,
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True, "exitCode": 0 if verdict.passed else 1}],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=True) + "\n"


def _rule(name: str) -> dict[str, Any]:
    return {
        "id": f"leakscope/{name}",
        "name": "".join(part.capitalize() for part in name.split("-")),
        "shortDescription": {"text": RULES[name]},
        "defaultConfiguration": {"level": "error"},
    }


def _result(leak: Violation) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": f"leakscope/{leak.rule}",
        "ruleIndex": _RULES.index(leak.rule),
        "level": "error",
        "message": {"text": _text(leak)},
        "locations": [_location(leak)],
    }
    if leak.fingerprint:
        result["partialFingerprints"] = {"leakscopeChain/v1": leak.fingerprint}
    return result


def _suppressed(leak: Violation) -> dict[str, Any]:
    suppression = {"kind": "external", "status": "accepted", "justification": escaped(leak.reason or "")}
    return {**_result(leak), "suppressions": [suppression]}


def _text(leak: Violation) -> str:
    found, limit = found_and_limit(leak)
    lines = [f"{leak.message} ({found} found, {limit} allowed).", *leak.evidence]
    lines += [f"{name}: {text}" for name, text in (("Chain", leak.chain), ("What to do", leak.remedy)) if text]
    return "\n".join(escaped(line) for line in lines)


def _location(leak: Violation) -> dict[str, Any]:
    """The code that holds it. Pages of servers refuse results without file and line: what is no matter of one file
    points at where a leak would be allowed."""
    place = {
        "artifactLocation": {"uri": _uri(leak.file or _NO_FILE)},
        "region": {"startLine": leak.line if leak.file and leak.line and leak.line > 0 else 1},
    }
    name = leak.holder or leak.class_ or leak.rule
    return {"physicalLocation": place, "logicalLocations": [{"fullyQualifiedName": escaped(name)}]}


def _uri(file: str) -> str:
    """A relative reference where the file is named relatively, ``file:`` where it is absolute."""
    path = quote(str(PurePosixPath(file.replace("\\", "/"))), errors="backslashreplace")
    return f"file://{path}" if path.startswith("/") else path

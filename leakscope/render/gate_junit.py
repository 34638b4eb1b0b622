"""The gate's verdict as JUnit XML: one test case per rule that was judged, one per violation."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from leakscope.findings.gate import RULES, Verdict, Violation
from leakscope.render.escape import escaped
from leakscope.render.gate_text import found_and_limit

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def report(verdict: Verdict) -> str:
    """The document; violations are failures, known leaks pass with their reason in the output."""
    by_rule: dict[str, list[Violation]] = {rule: [] for rule in RULES}
    for leak in verdict.violations:
        by_rule[leak.rule].append(leak)
    passing = [rule for rule, leaks in by_rule.items() if not leaks]
    tests, failures = len(verdict.violations) + len(passing), len(verdict.violations)
    suites = ElementTree.Element("testsuites", name="leakscope", tests=str(tests), failures=str(failures))
    suite = ElementTree.SubElement(
        suites, "testsuite", name="leakscope gate", tests=str(tests), failures=str(failures), errors="0", skipped="0"
    )
    for rule in passing:
        case = ElementTree.SubElement(suite, "testcase", classname="leakscope.gate", name=rule)
        known = [leak for leak in verdict.known if leak.rule == rule]
        if known:
            ElementTree.SubElement(case, "system-out").text = "\n".join(_legal(_known(leak)) for leak in known)
    for leak in verdict.violations:
        _failure(suite, leak)
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _failure(suite: ElementTree.Element, leak: Violation) -> None:
    name = ": ".join(part for part in (leak.rule, leak.class_, leak.fingerprint) if part)
    case = ElementTree.SubElement(suite, "testcase", classname="leakscope.gate", name=_legal(name))
    if leak.file:
        case.set("file", _legal(leak.file))
        if leak.line:
            case.set("line", str(leak.line))
    failure = ElementTree.SubElement(case, "failure", type=leak.rule, message=_legal(leak.message))
    found, limit = found_and_limit(leak)
    lines = [f"{found} found, {limit} allowed", *leak.evidence]
    lines += [f"{name}: {text}" for name, text in (("chain", leak.chain), ("what to do", leak.remedy)) if text]
    failure.text = "\n".join(_legal(line) for line in lines)


def _known(leak: Violation) -> str:
    return f"known: {leak.message} ({leak.reason})"


def _legal(text: str) -> str:
    """Control bytes escaped as everywhere; what XML 1.0 cannot hold at all is written as its number."""
    return _ILLEGAL.sub(lambda found: f"\\u{ord(found[0]):04x}", escaped(text))

"""The gate's verdict as workflow commands: GitHub shows each as an annotation at its line."""

from __future__ import annotations

from leakscope.findings.gate import Verdict, Violation
from leakscope.render.escape import escaped
from leakscope.render.gate_text import headline


def report(verdict: Verdict) -> str:
    """One command per leak; known ones are notices."""
    lines = [_command("error", leak) for leak in verdict.violations]
    lines += [_command("notice", leak) for leak in verdict.known]
    lines += [
        f"::notice title=leakscope::fixed, take it out of the baseline: {_data(leak.class_ or leak.rule)}"
        for leak in verdict.fixed
    ]
    return "\n".join([*lines, f"leakscope: {_data(headline(verdict))}"]) + "\n"


def _command(level: str, leak: Violation) -> str:
    properties = [f"title={_property(f'leakscope: {leak.rule}')}"]
    if leak.file:
        properties.insert(0, f"file={_property(leak.file)}")
        if leak.line:
            properties.insert(1, f"line={leak.line}")
    parts = [leak.message, *leak.evidence]
    parts += [f"chain: {leak.chain}"] if leak.chain else []
    parts += [f"known: {leak.reason}"] if leak.reason else []
    parts += [f"what to do: {leak.remedy}"] if leak.remedy else []
    return f"::{level} {','.join(properties)}::{'%0A'.join(map(_data, parts))}"


def _data(text: str) -> str:
    """Escaped as the runner's parser expects it, after everything that could steer a terminal."""
    return escaped(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

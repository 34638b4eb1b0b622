"""``--report FORMAT=FILE``: several at once, each written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from leakscope.cli.output import check_writable, emit
from leakscope.errors import InputError, UsageError

if TYPE_CHECKING:
    from leakscope.findings.gate import Verdict

FORMATS = ("text", "json", "markdown", "junit", "sarif", "github")


@dataclass(frozen=True)
class Output:
    """One report to write."""

    format: str
    path: Path | None
    """None: standard output."""


def check_reports(given: Sequence[str]) -> list[Output]:
    """What ``--report`` asks for. UsageError for what is none, InputError for a place that cannot be written."""
    outputs = [_output(text) for text in given]
    if sum(output.path is None for output in outputs) > 1:
        raise UsageError("only one report can go to standard output", "Give the others a file: --report sarif=FILE.")
    for output in outputs:
        if output.path is not None:
            check_writable(output.path)
    return outputs


def write_reports(verdict: Verdict, outputs: Sequence[Output]) -> None:
    """Each in its format; InputError if one cannot be written, those before it stay."""
    for output in outputs:
        text = _renderer(output.format)(verdict)
        if output.path is None:
            emit(text)
        elif _is_shared(output.path):
            _append(output.path, text)
        else:
            _write(output.path, text)


def _output(text: str) -> Output:
    format, equals, file = text.partition("=")
    if format not in FORMATS or (equals and not file):
        raise UsageError(
            f"--report {text!r} is no FORMAT=FILE", f"Formats are {', '.join(FORMATS)}; --report sarif=leaks.sarif."
        )
    if format == "github" and not equals:
        return Output(format, None)
    return Output(format, None if file in ("", "-") else Path(file))


def _renderer(format: str) -> Callable[[Verdict], str]:
    from leakscope.render import gate_documents, gate_github, gate_junit, gate_markdown, gate_sarif, gate_text
    from leakscope.render.screen import Screen

    renderers: dict[str, Callable[[Verdict], str]] = {
        "text": lambda verdict: gate_text.gate(verdict, Screen(width=200)),
        "json": gate_documents.report,
        "markdown": gate_markdown.report,
        "junit": gate_junit.report,
        "sarif": gate_sarif.report,
        "github": gate_github.report,
    }
    return renderers[format]


def _is_shared(path: Path) -> bool:
    """Whether it is the page of a GitHub step, which takes what everybody in the step has to say."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    return bool(summary) and path.absolute() == Path(str(summary)).absolute()


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as page:
            page.write(f"{text}\n")
    except OSError as error:
        raise _unwritten(path, error) from error


def _write(path: Path, text: str) -> None:
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise _unwritten(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _unwritten(path: Path, error: OSError) -> InputError:
    return InputError(f"cannot write the report {path}: {error.strerror}", "Choose another file or folder.")

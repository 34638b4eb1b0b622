"""The commands that take Go profiles in place of heaps, and one line from each of those that cannot."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from leakscope.cli.output import emit, emit_json, screen
from leakscope.errors import InputError, UsageError

if TYPE_CHECKING:
    from leakscope.findings.gate import Violation
    from leakscope.findings.model import Snapshot
    from leakscope.findings.profiles import ProfileReport
    from leakscope.gate.policy import Policy
    from leakscope.render.screen import Screen

_BEGINNING = 4096


def is_profile(source: str) -> bool:
    """Whether ``source`` is a file that begins as a profile does."""
    from leakscope.formats.pprof.load import is_profile as begins_so

    try:
        with Path(source).open("rb") as file:
            return begins_so(file.read(_BEGINNING))
    except (OSError, ValueError):
        return False


def all_profiles(sources: Sequence[str]) -> bool:
    """Whether all of ``sources`` are profiles. UsageError if only some are."""
    found = [source for source in sources if is_profile(source)]
    if found and len(found) < len(sources):
        other = next(source for source in sources if source not in found)
        raise UsageError(
            f"{found[0]} is a profile and {other} is none", "Compare profiles with profiles, and heaps with heaps."
        )
    return bool(found)


def refuse_profile(source: str) -> None:
    """InputError if ``source`` is a profile, where objects are needed."""
    if is_profile(source):
        raise InputError(
            f"{source} is a Go profile, which has no objects, sessions or chains",
            "leakscope top, suspects, diff and gate say which places in code have most in use, and which grow.",
        )


def save_profile(url: str, path: Path) -> Snapshot:
    """The profile that Go offers at ``url``, as it comes, in ``path``.

    AttachError if nobody answers, UsageError for a profile of other things, InputError for what is none.
    """
    from leakscope.findings.model import Snapshot
    from leakscope.formats.atomic import replacing
    from leakscope.formats.pprof.load import profile_of
    from leakscope.target.urls import profile_url
    from leakscope.target.web import fetched

    began = time.monotonic()
    content = fetched(profile_url(url))
    profile = profile_of(content, url)
    with replacing(path) as file:
        file.write(content)
    return Snapshot(
        path=str(path),
        pid=None,
        runtime="go",
        version="unknown",
        captured_at=profile.captured_at,
        objects=sum(profile.counts),
        references=0,
        sessions=None,
        pause_ms=None,
        copied_bytes=len(content),
        elapsed_s=round(time.monotonic() - began, 3),
        strategy="profile",
    )


def violations_in(files: Sequence[Path], policy: Policy) -> tuple[list[Violation], list[str]]:
    """What grows from profile to profile by more than the policy allows, and notes. InputError for a damaged one."""
    from leakscope.analysis.profiles import observe_profiles
    from leakscope.formats.pprof.load import load_profile
    from leakscope.gate.judge import violations

    seen, notes = observe_profiles([load_profile(file) for file in files])
    return list(violations(seen, policy)), notes


def answer(command: str, sources: Sequence[str], limit: int, json: bool, no_color: bool) -> None:
    """Prints what ``command`` (top, diff, suspects or chains) says of profiles. InputError for a damaged one."""
    from leakscope.analysis.profiles import report
    from leakscope.formats.pprof.load import load_profile
    from leakscope.render import profile_documents, profile_text

    found = report([load_profile(Path(source)) for source in sources], limit, by_growth=command in ("diff", "suspects"))
    if command == "chains" and found.measure != "references":
        raise InputError(
            f"{sources[0]} says where objects were made, not who holds them",
            "goref (github.com/cloudwego/goref) writes chains of references, which leakscope reads.",
        )
    if json:
        source = sources[0] if command in ("top", "chains") else list(sources)
        emit_json(profile_documents.profile(command, source, found))
        return
    texts: dict[str, Callable[[ProfileReport, Screen], str]] = {
        "top": profile_text.top,
        "diff": profile_text.diff,
        "chains": profile_text.chains,
        "suspects": lambda report, screen: profile_text.suspects(report, screen, limit),
    }
    emit(texts[command](found, screen(no_color)))

"""``leakscope-baseline.json``: the leaks that a team knows and has given leave for a while.

One entry a line group, sorted, so that two branches merge by text; made with
``--update-baseline``, edited by hand for the reasons and the days on which they expire.
"""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from leakscope.errors import InputError
from leakscope.findings.gate import RULES, KnownLeak, Violation

SCHEMA = 1
DEFAULT_NAME = "leakscope-baseline.json"
_NO_REASON = "not given yet"
_LARGEST = 16 << 20
_FIELDS = ("rule", "fingerprint", "class", "chain", "allowed", "reason", "expires")


def load_baseline(path: Path) -> tuple[KnownLeak, ...]:
    """The entries in ``path``. InputError if it cannot be read, is damaged, is newer, or names one leak twice."""
    try:
        if path.stat().st_size > _LARGEST:
            raise _bad(path, "it is larger than any baseline")
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"cannot read baseline {path}: {error.strerror}",
            "leakscope gate ... --update-baseline makes one; without --baseline every leak is new.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise _bad(path, f"it is no JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("leaks"), list):
        raise _bad(path, "it has no list of leaks")
    if not isinstance(document.get("schema"), int) or document["schema"] < 1:
        raise _bad(path, "it does not say its schema")
    if document["schema"] > SCHEMA:
        raise InputError(
            f"baseline {path} has schema {document['schema']}, newer than this leakscope", "Update leakscope."
        )
    entries = tuple(_entry(path, number, each) for number, each in enumerate(document["leaks"], start=1))
    seen: set[tuple[object, ...]] = set()
    for entry in entries:
        if key(entry) in seen:
            raise _bad(path, f"it names {entry.rule} {entry.fingerprint or entry.class_} twice")
        seen.add(key(entry))
    return entries


def key(leak: KnownLeak | Violation) -> tuple[str, str | None, str | None]:
    """What makes two reports of one leak the same: rule, fingerprint and class."""
    return leak.rule, leak.fingerprint, leak.class_


def updated(old: Iterable[KnownLeak], seen: Sequence[Violation]) -> tuple[KnownLeak, ...]:
    """Every leak that was seen, allowed as much as was found; reasons and days of those known already are kept."""
    before = {key(entry): entry for entry in old}
    entries = []
    for leak in seen:
        known = before.get(key(leak))
        reason, expires = (known.reason, known.expires) if known else (_NO_REASON, None)
        entries.append(KnownLeak(*key(leak), leak.chain, leak.found, reason, expires))
    return tuple(entries)


def save_baseline(path: Path, entries: Iterable[KnownLeak]) -> None:
    """Replaces ``path`` whole or not at all. InputError if it cannot be written."""
    ordered = sorted(entries, key=lambda entry: tuple(each or "" for each in key(entry)))
    leaks = [
        {
            "rule": entry.rule,
            "fingerprint": entry.fingerprint,
            "class": entry.class_,
            "chain": entry.chain,
            "allowed": entry.allowed,
            "reason": entry.reason,
            "expires": entry.expires,
        }
        for entry in ordered
    ]
    text = json.dumps({"schema": SCHEMA, "leaks": leaks}, indent=2, ensure_ascii=True) + "\n"
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise InputError(
            f"cannot write baseline {path}: {error.strerror}", "Choose another place: --baseline FILE."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _entry(path: Path, number: int, entry: Any) -> KnownLeak:
    where = f"entry {number}"
    if not isinstance(entry, dict):
        raise _bad(path, f"{where} is no object")
    unknown = sorted(set(entry) - set(_FIELDS))
    if unknown:
        raise _bad(path, f"{where} has an unknown field {unknown[0]!r}")
    if entry.get("rule") not in RULES:
        raise _bad(path, f"{where} has no rule of the gate")
    for name in ("fingerprint", "class", "chain", "expires"):
        if not isinstance(entry.get(name), str | None):
            raise _bad(path, f"{where}: {name} is no text")
    allowed, reason = entry.get("allowed"), entry.get("reason", _NO_REASON)
    if isinstance(allowed, bool) or not isinstance(allowed, int | float) or not 0 <= allowed < float("inf"):
        raise _bad(path, f"{where}: allowed is no number")
    if not isinstance(reason, str):
        raise _bad(path, f"{where}: reason is no text")
    expires = entry.get("expires")
    if expires is not None:
        try:
            datetime.date.fromisoformat(expires)
        except ValueError:
            raise _bad(path, f"{where}: expires is no day such as 2027-01-31") from None
    return KnownLeak(
        entry["rule"], entry.get("fingerprint"), entry.get("class"), entry.get("chain"), float(allowed), reason, expires
    )


def _bad(path: Path, why: str) -> InputError:
    return InputError(
        f"baseline {path} is not usable: {why}", "Mend it, or make a new one: leakscope gate ... --update-baseline."
    )

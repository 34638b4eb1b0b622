"""Where rules come from, in one order: the first rule that claims an object wins.

--rules files, leakscope.toml, pyproject.toml, plug-ins, the built-in catalogue, and last the guess by name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from leakscope.errors import InputError
from leakscope.sessions.guess import GUESS
from leakscope.sessions.problems import RuleProblem, nearest
from leakscope.sessions.rule_files import RuleFile, read_tables
from leakscope.sessions.rules import Rule

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CATALOGUE = "catalogue"
GROUP = "leakscope.rules"
"""Entry points of plug-ins: each names a TOML text, a path to one, or a list of tables."""
OWN_FILE, PROJECT_FILE = "leakscope.toml", "pyproject.toml"
LARGEST_BYTES = 4 << 20
RUNTIME, PYTHON = "runtime", "python"
"""What the catalogue's rules are about unless they say something else."""


@dataclass(frozen=True)
class RuleSet:
    """All rules in the order in which they are tried, and what is wrong with others."""

    rules: tuple[Rule, ...]
    problems: tuple[RuleProblem, ...] = ()
    disabled: tuple[tuple[Rule, str], ...] = ()
    """Rules that an earlier source switches off or has one of the same name for, and which source that is."""


def load_rules(rules_files: Iterable[Path] = (), folder: Path | None = None) -> RuleSet:
    """The rules that hold in ``folder`` (default: the current one), with ``rules_files`` before all others.

    Raises InputError if one of ``rules_files`` is no readable TOML; whatever is found unasked is a problem at most.
    """
    return arranged(
        [
            *(_asked_for(path) for path in rules_files),
            *_project_files(folder or Path.cwd()),
            *_plug_ins(),
            built_in(),
        ]
    )


def arranged(files: Iterable[RuleFile]) -> RuleSet:
    """One list out of several sources, the first named first; the guess by name is the last rule."""
    rules: list[Rule] = []
    disabled: list[tuple[Rule, str]] = []
    problems: list[RuleProblem] = []
    taken: dict[str, str] = {}  # name -> the source that has or disables it
    unused: dict[str, str] = {}
    for file in [*files, RuleFile("leakscope", (GUESS,))]:
        for rule in file.rules:
            unused.pop(rule.name, None)
            if rule.name in taken:
                disabled.append((rule, taken[rule.name]))
            else:
                rules.append(rule)
        taken = {**dict.fromkeys((*(rule.name for rule in file.rules), *file.disabled), file.source), **taken}
        unused.update(dict.fromkeys(file.disabled, file.source))
        problems += file.problems
    known = [rule.name for rule in rules]
    problems += [
        RuleProblem(source, "", f"disables {name!r}, but no later rule is called so{nearest(name, known)}")
        for name, source in unused.items()
    ]
    return RuleSet(tuple(rules), tuple(problems), tuple(disabled))


def rules_for(rules: RuleSet, language: str) -> RuleSet:
    """Those of ``rules`` that are about programs in ``language`` (see ``graph.facts``), in the same order."""
    runtime = {"java": "jvm", "javascript": "v8"}.get(language, PYTHON)
    return replace(rules, rules=tuple(rule for rule in rules.rules if rule.runtime in ("any", runtime)))


def built_in() -> RuleFile:
    """The catalogue: all its files in the order of their names, as one source."""
    folder = resources.files("leakscope.sessions").joinpath("catalogue")
    tables: list[Any] = []
    problems: list[RuleProblem] = []
    for file in sorted(folder.iterdir(), key=lambda each: each.name) if folder.is_dir() else []:
        if file.name.endswith(".toml"):
            try:
                read = tomllib.loads(file.read_text(encoding="utf-8")).get("session", [])
                tables += [{RUNTIME: PYTHON, **table} for table in read]
            except (OSError, ValueError) as error:
                problems.append(RuleProblem(f"{CATALOGUE}/{file.name}", "", f"is no TOML: {error}"))
    found = read_tables({"session": tables}, CATALOGUE)
    return replace(found, problems=(*problems, *found.problems))


def project_table(name: str, folder: Path) -> tuple[dict[str, Any], str] | None:
    """The table ``name`` of the nearest leakscope.toml, or of [tool.leakscope] in pyproject.toml, and which file it is.

    None if there is none. InputError if the file cannot be read: what was meant to bind must not be missed.
    """
    for file in (OWN_FILE, PROJECT_FILE):
        for parent in _upwards(folder):
            path = parent / file
            if not path.is_file():
                continue
            try:
                document = _document(path)
            except (OSError, ValueError) as error:
                raise InputError(
                    f"cannot read {path}: {error}", "Mend the file; leakscope reads its limits there."
                ) from error
            own = document if file == OWN_FILE else document.get("tool", {}).get("leakscope", {})
            if isinstance(own, dict) and isinstance(own.get(name), dict):
                return own[name], str(path)
            break
    return None


def _asked_for(path: Path) -> RuleFile:
    try:
        return read_tables(_document(path), str(path))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot read the rules in {path}: {reason}", "Name a TOML file: --rules FILE") from error
    except ValueError as error:
        raise InputError(
            f"the rules in {path} are no TOML: {error}",
            "A rule is a [[session]] table; docs/RULES.md shows how to write one.",
        ) from error


def _project_files(folder: Path) -> Iterator[RuleFile]:
    """The nearest leakscope.toml and the nearest pyproject.toml with [tool.leakscope]; none above a .git."""
    for name in (OWN_FILE, PROJECT_FILE):
        for parent in _upwards(folder):
            read = _found(parent / name)
            if read is not None:
                yield read
                break


def _upwards(folder: Path) -> Iterator[Path]:
    for parent in (folder.absolute(), *folder.absolute().parents):
        yield parent
        if (parent / ".git").exists():
            return


def _found(path: Path) -> RuleFile | None:
    """What a file that was not asked for says; None if there is none, or nothing about leakscope in it."""
    try:
        if not path.is_file():
            return None
        document = _document(path)
    except (OSError, ValueError) as error:
        return RuleFile(str(path), (), (RuleProblem(str(path), "", f"cannot be read: {error}"),))
    if path.name == OWN_FILE:
        return read_tables(document, str(path))
    tool = document.get("tool")
    own = tool.get("leakscope") if isinstance(tool, dict) else None
    return read_tables(own, str(path)) if isinstance(own, dict) else None


def _document(path: Path) -> dict[str, Any]:
    """Raises OSError, or ValueError for what is no TOML."""
    with path.open("rb") as file:
        raw = file.read(LARGEST_BYTES + 1)
    if len(raw) > LARGEST_BYTES:
        raise ValueError(f"it is larger than {LARGEST_BYTES >> 20} MiB")
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _plug_ins() -> Iterator[RuleFile]:
    """What installed packages bring, by name of their entry points; one that fails is a problem."""
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        source = f"plug-in {entry.name}"
        try:
            yield read_tables(_as_document(entry.load()), source)
        except (Exception, SystemExit) as error:  # a plug-in is somebody else's code: anything may come out of it
            problem = RuleProblem(source, "", f"{entry.value} failed: {type(error).__name__}: {error}")
            yield RuleFile(source, (), (problem,))


def _as_document(said: Any) -> dict[str, Any]:
    """A plug-in's TOML text, path or resource, or list of tables, as a document."""
    if isinstance(said, list):
        return {"session": said}
    if isinstance(said, str) and ("\n" in said or "=" in said):
        return tomllib.loads(said)
    if isinstance(said, str):
        return _document(Path(said))
    if hasattr(said, "read_text"):
        return tomllib.loads(said.read_text(encoding="utf-8"))
    raise TypeError(f"a TOML text, a path or a list of tables is meant, not {type(said).__name__}")

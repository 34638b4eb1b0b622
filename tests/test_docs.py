"""The README and the help texts cover every command, and nobody is sent to somebody else's package."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from leakscope import errors
from leakscope.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NAMES = [command.__name__ for command in COMMANDS]


def help_of(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "leakscope", *arguments, "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_command_has_help_with_an_example_and_stands_in_the_readme(name: str) -> None:
    told = help_of(name)
    assert re.search(rf"Examples:\n    leakscope {name}\b", told)
    assert "--json" in told
    assert f"`leakscope {name}" in README


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_explained(name: str) -> None:
    options = help_of(name).partition("Options:\n")[2]
    entries = re.findall(r"^  (-.*)$(?=\n((?: {4,}.*\n)*))", options, re.M)
    assert entries
    for first_line, more in entries:
        assert re.search(r"  \S", first_line) or more.strip(), first_line


def test_the_overview_names_every_command_in_full() -> None:
    told = help_of()
    for name in NAMES:
        (line,) = re.findall(rf"^  {name} +(.*)$", told, re.M)
        assert line.endswith("."), line
        assert not line.endswith("..."), line


def test_the_readme_lists_every_exit_code() -> None:
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    for code in sorted(codes):
        assert re.search(rf"^\| {code} \|", README, re.M), code


def test_examples_in_the_readme_use_commands_and_options_that_exist() -> None:
    known = {name: help_of(name) for name in NAMES}
    for name, rest in re.findall(r"^(?:\$ )?leakscope (\w+)(.*)$", README, re.M):
        for option in re.findall(r"\s(--?[a-z][\w-]*)", rest):
            assert re.search(rf"(?<![\w-]){option}\b", known[name]), f"{name} {option}"


def test_nobody_is_told_to_install_the_project_that_is_not_ours() -> None:
    wrong = re.compile(r"(?:pip|pipx|uv)3?\s+(?:tool\s+)?(?:install|add|run)\s+(?:-\S+\s+)*leakscope(?!-cli|[\w/.-])")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in {".md", ".py", ".toml", ".txt", ".yml", ".yaml", ".sh", ""} and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            assert path == Path(__file__) or not wrong.search(text), name
    assert wrong.search("pip install --upgrade leakscope\n")
    assert not wrong.search("pip install leakscope-cli")

"""What a CI server makes of a recipe: the shell steps, and the environment in which it runs them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "fixtures" / "ci"
TARGETS = ROOT / "fixtures" / "targets"
UNITS = 20
_EXPRESSION = re.compile(r"\$\{\{ *(inputs|github)\.(\w+) *\}\}")
_METADATA = "Metadata-Version: 2.1\nName: leakscope-cli\nVersion: 0.1.0+tree\n"
_WHEEL = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: false\nTag: py3-none-any\n"


@dataclass(frozen=True)
class Ran:
    """A step that was run."""

    code: int
    said: str
    """Standard output; the server also looks for commands in it."""
    complaints: str
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""


def loaded(path: Path) -> Any:
    """A recipe as data."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def wheel(folder: Path) -> Path:
    """The tree's own leakscope, compiled as it is, as something that pip installs; nothing is built."""
    path = folder / "leakscope_cli-0.1.0+tree-py3-none-any.whl"
    info = "leakscope_cli-0.1.0+tree.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        names = [file for file in sorted((ROOT / "leakscope").rglob("*")) if file.suffix not in (".c", ".pyc")]
        for file in names:
            if file.is_file():
                archive.write(file, file.relative_to(ROOT))
        archive.writestr(f"{info}/METADATA", _METADATA)
        archive.writestr(f"{info}/WHEEL", _WHEEL)
        archive.writestr(f"{info}/entry_points.txt", "[console_scripts]\nleakscope = leakscope.cli.main:main\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def service(folder: Path, mode: str) -> dict[str, str]:
    """Inputs of a recipe that gates the small service, ``leak`` or ``sound``."""
    port = folder / "port"
    return {
        "run": f"exec {sys.executable} {TARGETS / 'small_service.py'} {port} {mode}",
        "ready": "listening",
        "step": f"{TARGETS / 'small_client.sh'} {port} {UNITS}",
        "rounds": "3",
    }


def github_step(action: Any, name: str, inputs: dict[str, str], workspace: Path, temporary: Path) -> Ran:
    """One shell step of a composite action, with the variables and files that GitHub's runner gives it."""
    (step,) = [each for each in action["runs"]["steps"] if each["name"] == name]
    values = {key: declared.get("default", "") for key, declared in action["inputs"].items()} | inputs
    context = {"inputs": values, "github": {"action_path": str(ROOT)}}
    given = {key: _EXPRESSION.sub(lambda m: context[m[1]][m[2]], text) for key, text in step["env"].items()}
    files = {variable: temporary / variable.lower() for variable in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    files["GITHUB_OUTPUT"].write_text("")
    files["GITHUB_STEP_SUMMARY"].write_text("said before\n")
    script = temporary / "step.sh"
    script.write_text(step["run"])
    assert step["shell"] == "bash"
    done = _run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
        workspace,
        {
            **given,
            **{variable: str(path) for variable, path in files.items()},
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_WORKSPACE": str(workspace),
            "RUNNER_TEMP": str(temporary),
        },
    )
    lines = [line.partition("=") for line in files["GITHUB_OUTPUT"].read_text().splitlines()]
    outputs = {name: value for name, _, value in lines}
    return Ran(done.returncode, done.stdout, done.stderr, outputs, files["GITHUB_STEP_SUMMARY"].read_text())


def gitlab_job(job: Any, variables: dict[str, str], workspace: Path) -> Ran:
    """A job's script as GitLab's shell executor runs it: all lines in one shell that ends at the first failure."""
    script = "\n".join(["set -eo pipefail", *job["script"]])
    done = _run(["bash", "-c", script], workspace, {**job["variables"], **variables, "CI_PROJECT_DIR": str(workspace)})
    return Ran(done.returncode, done.stdout, done.stderr)


def _run(command: list[str], folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """leakscope's dependencies come from the tests' own environment, so that no index is asked."""
    bare = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(folder),
        "PYTHONPATH": sysconfig.get_path("platlib"),
        "PIP_NO_INDEX": "1",
    }
    return subprocess.run(
        command, cwd=folder, env={**bare, **variables}, capture_output=True, text=True, timeout=300, check=False
    )

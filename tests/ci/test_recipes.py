"""``action.yml``, the GitLab template and the pre-commit hook: valid, and run on a leaking and on a sound service."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.ci.recipes import RECIPES, ROOT, TARGETS, UNITS, Ran, github_step, gitlab_job, loaded, service, wheel
from tests.render.multitool import problems

ACTION = loaded(ROOT / "action.yml")
HOLDER = "__main__.Registry.sessions"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Path:
    """A GitHub runner's folder for temporary files, in which the action's first step has installed leakscope."""
    temporary = tmp_path_factory.mktemp("runner")
    ran = github_step(ACTION, "Install leakscope", {"leakscope": str(package)}, temporary, temporary)
    assert ran.code == 0, ran.complaints
    return temporary


def gated(runner: Path, workspace: Path, mode: str, **inputs: str) -> Ran:
    return github_step(ACTION, "Gate", {**service(workspace, mode), **inputs}, workspace, runner)


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-actions", [ROOT / "action.yml"]),
        ("vendor.github-workflows", [RECIPES / "github.yml"]),
        ("vendor.gitlab-ci", [RECIPES / "gitlab.yml", RECIPES / "gitlab-job.yml"]),
    ],
)
def test_recipes_are_valid_by_their_servers_schemas(schema: str, files: list[Path], tmp_path: Path) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema]
    assert subprocess.run([*check, *files], check=False).returncode == 0
    broken = tmp_path / "broken.yml"
    broken.write_text("runs: 7\njobs: 7\nstages: 7\n")
    assert subprocess.run([*check, broken], check=False, capture_output=True).returncode == 1


def test_every_input_that_a_step_reads_is_declared_and_used() -> None:
    steps = ACTION["runs"]["steps"]
    read = {text.split(".")[1].split()[0] for step in steps for text in step["env"].values()}
    assert read == set(ACTION["inputs"])
    assert {name for step in steps for name in step["env"] if f"${name}" not in step["run"].replace("{", "")} == set()
    assert "${{" not in "".join(step["run"] for step in steps), "text of a workflow is no code"
    workflow = loaded(RECIPES / "github.yml")
    (used,) = [step for step in workflow["jobs"]["gate"]["steps"] if step.get("id") == "leaks"]
    assert set(used["with"]) <= set(ACTION["inputs"])
    assert {name for name, declared in ACTION["inputs"].items() if declared.get("required")} <= set(used["with"])


def test_a_leak_fails_the_pull_request_with_annotations_summary_sarif_and_junit(runner: Path, tmp_path: Path) -> None:
    ran = gated(runner, tmp_path, "leak")
    assert ran.code == 1, ran.complaints
    assert ran.outputs["verdict"] == "fail"
    (annotation,) = [line for line in ran.said.splitlines() if line.startswith("::error ")]
    assert f"grows by {UNITS} per round, held by {HOLDER}" in annotation
    assert f"file={TARGETS / 'small_service.py'}," in annotation
    assert ran.summary.startswith("said before\n")
    assert "FAIL: 1 leak" in ran.summary
    assert problems(Path(ran.outputs["sarif"])) == []
    (result,) = sarif_results(ran)
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"].endswith("fixtures/targets/small_service.py")
    assert place["region"]["startLine"] >= 1
    assert len(list(ElementTree.parse(ran.outputs["junit"]).iter("failure"))) == 1


def sarif_results(ran: Ran) -> list[Any]:
    results: list[Any] = json.loads(Path(ran.outputs["sarif"]).read_text())["runs"][0]["results"]
    return results


def test_a_sound_service_passes(runner: Path, tmp_path: Path) -> None:
    ran = gated(runner, tmp_path, "sound")
    assert ran.code == 0, ran.complaints
    assert ran.outputs["verdict"] == "pass"
    assert "::error" not in ran.said
    assert "PASS" in ran.summary
    assert sarif_results(ran) == []


def test_options_and_a_baseline_go_through(runner: Path, tmp_path: Path) -> None:
    args = "--max-growth 100 --max-sessions '*.Session=1000' --settle 0s"
    assert gated(runner, tmp_path, "leak", args=args).outputs["verdict"] == "pass"
    args = "--update-baseline --max-sessions '*.Session with a space=7'"
    assert gated(runner, tmp_path, "leak", args=args, baseline="known leaks.json").code == 0
    assert json.loads((tmp_path / "known leaks.json").read_text())["leaks"][0]["class"] == "__main__.Session"
    ran = gated(runner, tmp_path, "leak", baseline="known leaks.json")
    assert ran.code == 0, ran.said
    assert "::notice " in ran.said


def test_without_a_verdict_there_are_no_reports_of_an_earlier_one(runner: Path, tmp_path: Path) -> None:
    (tmp_path / "leakscope.sarif").write_text("old")
    ran = gated(runner, tmp_path, "sound", step="exit 9")
    assert ran.code == 2
    assert ran.outputs == {"verdict": "error", "sarif": "", "junit": ""}
    assert "exit code 9" in ran.complaints
    assert not (tmp_path / "leakscope.sarif").exists()


def test_a_name_is_not_installed_from_an_index(tmp_path: Path) -> None:
    ran = github_step(ACTION, "Install leakscope", {"leakscope": "leakscope"}, tmp_path, tmp_path)
    assert ran.code != 0
    assert "No such file" in ran.complaints
    assert not (tmp_path / "leakscope").exists()


@pytest.mark.parametrize(("mode", "code", "failures"), [("leak", 1, 1), ("sound", 0, 0)])
def test_the_gitlab_job(mode: str, code: int, failures: int, package: Path, tmp_path: Path) -> None:
    job = loaded(RECIPES / "gitlab.yml")[".leakscope-gate"]
    variables = {f"GATE_{name.upper()}": value for name, value in service(tmp_path, mode).items()}
    ran = gitlab_job(job, {**variables, "GATE_FROM": str(package), "GATE_ARGS": "--settle '100ms'"}, tmp_path)
    assert ran.code == code, ran.complaints
    assert ran.said.startswith("FAIL: 1 leak" if failures else "PASS")
    suites = ElementTree.parse(tmp_path / job["artifacts"]["reports"]["junit"])
    assert len(list(suites.iter("failure"))) == failures
    for path in job["artifacts"]["paths"]:
        assert (tmp_path / path).stat().st_size


def test_the_gitlab_template_is_what_the_job_extends() -> None:
    template, job = loaded(RECIPES / "gitlab.yml"), loaded(RECIPES / "gitlab-job.yml")["leaks"]
    assert set(job["variables"]) <= set(template[job["extends"]]["variables"])


@pytest.mark.parametrize(("mode", "code"), [("leak", 1), ("sound", 0)])
def test_the_hook_before_a_push(mode: str, code: int, tmp_path: Path) -> None:
    """By pre-commit itself, in a repository of its own."""
    inputs = service(tmp_path, mode)
    text = (RECIPES / "pre-commit.yaml").read_text()
    for told, real in (
        ("'python3 -m app'", inputs["run"]),
        ("http://127.0.0.1:8000/health", inputs["ready"]),
        ("'python3 -m tests.load --requests 100'", inputs["step"]),
    ):
        assert text.count(told) == 1
        text = text.replace(told, shlex.quote(real))
    (tmp_path / ".pre-commit-config.yaml").write_text(text)
    for command in (("git", "init", "--quiet"), ("git", "add", ".pre-commit-config.yaml")):
        subprocess.run(command, cwd=tmp_path, check=True)
    shim = tmp_path / "bin" / "leakscope"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m leakscope "$@"\n')
    shim.chmod(0o755)
    hook = [sys.executable, "-m", "pre_commit", "run", "--hook-stage", "pre-push", "--all-files"]
    environment = {"PATH": f"{shim.parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(hook, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("Passed" in done.stdout) is (code == 0)
    assert (HOLDER in done.stdout) is (code == 1)

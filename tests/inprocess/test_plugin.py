"""``pytest --leakscope`` on real runs: leaky tests fail with their holder, all others keep their outcome."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
CASES = Path(__file__).parent / "plugin_cases"
Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run("leaky", *arguments)``: pytest with the plug-in on ``plugin_cases/leaky.py``."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("COLUMNS", "300")

    def running(name: str, *arguments: str) -> pytest.RunResult:
        file = f"test_{name}.py"
        pytester.path.joinpath(file).write_text((CASES / f"{name}.py").read_text(encoding="utf-8"), encoding="utf-8")
        plugin = ("-p", "leakscope.inprocess.pytest_plugin", "-p", "no:cacheprovider", "-v")
        return pytester.runpytest_subprocess(*plugin, file, *arguments, timeout=180)

    return running


def outcomes(result: pytest.RunResult) -> dict[str, str]:
    """By name of the test: ``PASSED``, ``FAILED``, ``ERROR``, ``SKIPPED``, ``XFAIL``."""
    said = result.stdout.str()
    found = re.findall(r"^test_\w+\.py::(\S+) ([A-Z]+)", said, re.M)
    of_workers = re.findall(r"^\[gw\d\] .*?([A-Z]+) test_\w+\.py::(\S+)", said, re.M)
    return dict(found) | {name: outcome for outcome, name in of_workers}


def section(result: pytest.RunResult, name: str) -> str:
    """What is said of one failed test."""
    found = re.search(rf"^_+ {re.escape(name)} _+\n(.*?)(?=^_{{5,}} |^={{5,}} )", result.stdout.str(), re.M | re.S)
    return found[1] if found else ""


HOLDERS = {
    "test_module_global": r"test_leaky\.HELD\[\d\] -> test_leaky\.Session",
    "test_growth_of_own_classes": r"test_leaky\.THINGS\[\d\] -> test_leaky\.Thing",
    "test_class_attribute": r"test_leaky\.Registry\.all\[\d\] -> test_leaky\.Session",
    "test_wider_fixture": r"fixture 'app'\.cached_result\[0\]\[.*\] -> test_leaky\.Session",
    "test_stored_exception": r"test_leaky\.ERRORS\[\d\] -> ValueError\.__traceback__.* failing\(\).*local 'in_frame'",
    "test_closure": r"test_leaky\.CALLBACKS\[\d\].*cell 'session'",
    "test_parametrised[1]": r"test_leaky\.HELD\[\d+\]",
    "test_parametrised[2]": r"test_leaky\.HELD\[\d+\]",
    "test_by_class": r"test_leaky\.HELD\[\d+\] -> test_leaky\.Odd",
    "Case.test_leaks": r"test_leaky\.HELD\[\d+\]",
    "TestPlain.test_leaks": r"test_leaky\.HELD\[\d+\]",
    "test_cache_without_end": r"test_leaky\.remembered",
    "test_thread": r"in_thread",
}


def test_every_leak_fails_its_test_and_names_the_holder(run: Run) -> None:
    result = run("leaky", "--leakscope")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    found = outcomes(result)
    assert {name for name, said in found.items() if said == "FAILED"} == {name.replace(".", "::") for name in HOLDERS}
    for name, holder in HOLDERS.items():
        said = section(result, name)
        assert "3 objects stay alive after 3 rounds of the same work:" in said, said
        assert re.search(holder, said), (name, said)
    assert re.search(
        r"^FAILED test_leaky\.py::test_module_global - .*LeakError: 3 objects stay alive", result.stdout.str(), re.M
    )


def test_without_the_option_nothing_is_run_twice_or_loaded(run: Run) -> None:
    result = run("leaky", "--strict-markers")
    assert set(outcomes(result).values()) == {"PASSED"}
    assert result.ret == pytest.ExitCode.OK
    result = run("off", "--strict-markers")
    result.assert_outcomes(passed=2)


def test_outcomes_of_their_own_are_kept(run: Run) -> None:
    result = run("own_outcome", "--leakscope", "-rA")
    assert outcomes(result) == {
        "test_fails": "FAILED",
        "test_skips": "SKIPPED",
        "test_is_skipped": "SKIPPED",
        "test_xfails": "XFAIL",
        "test_leak_that_is_expected": "XFAIL",
        "test_needs_what_fails": "ERROR",
        "test_ends_badly": "ERROR",
        "test_after_them": "PASSED",
        "test_fails_late": "FAILED",
    }
    assert "assert 'the test' == 'fails'" in section(result, "test_fails")
    assert "objects stay" not in section(result, "test_fails")
    assert "the teardown fails" in result.stdout.str()


def test_a_healthy_suite_stays_quiet(run: Run) -> None:
    result = run("healthy", "--leakscope", "-W", "error::pytest.PytestUnraisableExceptionWarning")
    assert set(outcomes(result).values()) == {"PASSED"}, result.stdout.str()
    assert result.parseoutcomes()["passed"] >= 30


def test_asyncio(run: Run) -> None:
    result = run("with_asyncio", "--leakscope", "-p", "pytest_asyncio.plugin", "-o", "asyncio_mode=auto")
    found = outcomes(result)
    assert found["test_sound"] == found["test_sound_context"] == found["test_sound_fixture"] == "PASSED", found
    assert {name for name, said in found.items() if said == "FAILED"} == {
        "test_leaks",
        "test_pending_task",
        "test_context",
    }
    assert "local 'in_task'" in section(result, "test_pending_task")


def test_anyio(run: Run) -> None:
    result = run("with_anyio", "--leakscope", "-p", "anyio.pytest_plugin")
    found = outcomes(result)
    assert found == {"test_sound": "PASSED", "test_leaks": "FAILED"} or found == {
        "test_sound[asyncio]": "PASSED",
        "test_leaks[asyncio]": "FAILED",
    }
    assert "with_anyio.HELD" in result.stdout.str()


def test_xdist(run: Run) -> None:
    result = run("leaky", "--leakscope", "-p", "xdist.plugin", "-p", "xdist.looponfail", "-n", "2")
    found = outcomes(result)
    assert {name for name, said in found.items() if said == "FAILED"} == {name.replace(".", "::") for name in HOLDERS}
    assert re.search(HOLDERS["test_module_global"], section(result, "test_module_global"))


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("sesions=1", "knows no 'sesions'"),
        ("rounds=0", "rounds of the marker leakscope is a number from 1 on"),
        ("growth=-1", "growth of the marker leakscope is a number from 0 on"),
        ("3", "classes are told as globs"),
    ],
)
def test_a_wrong_marker_ends_the_run_before_it_begins(
    run: Run, pytester: pytest.Pytester, marker: str, said: str
) -> None:
    pytester.makepyfile(f"import pytest\n@pytest.mark.leakscope({marker})\ndef test_it(): pass\n")
    result = run("off", "--leakscope", ".")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr.str()


def test_it_is_an_entry_point_that_can_be_switched_off(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.entry-points.pytest11]\nleakscope = "leakscope.inprocess.pytest_plugin"\n' in told
    installed = pytester.mkdir("installed") / "leakscope_cli-0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: leakscope-cli\nVersion: 0\n")
    (installed / "entry_points.txt").write_text("[pytest11]\nleakscope = leakscope.inprocess.pytest_plugin\n")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{installed.parent}")
    pytester.makepyfile("def test_it(): pass")
    help = pytester.runpytest_subprocess("--help", "-p", "no:asyncio")
    help.stdout.fnmatch_lines(["*--leakscope*"])
    without = pytester.runpytest_subprocess("--leakscope", "-p", "no:leakscope", "-p", "no:asyncio")
    assert without.ret == pytest.ExitCode.USAGE_ERROR
    assert "--leakscope" in without.stderr.str()


def test_the_plug_in_alone_loads_nothing_heavy(pytester: pytest.Pytester) -> None:
    program = "import pytest, sys; before = set(sys.modules)\nimport leakscope.inprocess.pytest_plugin\n"
    program += "print(*sorted(name for name in set(sys.modules) - before))"
    done = pytester.run(sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{program}")
    assert done.stdout.str().split() == ["leakscope", "leakscope.inprocess", "leakscope.inprocess.pytest_plugin"]

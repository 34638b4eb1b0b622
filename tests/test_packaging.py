"""The wheel works where there is no compiler, and a build without one says what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source as it would be cloned, without anything compiled."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.c")
    shutil.copytree(ROOT / "leakscope", folder / "leakscope", ignore=ignored)
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    """Compiled without optimising, which takes a third of the time and changes nothing of what is tested here."""
    building = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    subprocess.run(building, cwd=source, check=True, capture_output=True, env={**os.environ, "CFLAGS": "-O0"})
    (built,) = (source / "dist").glob("*.whl")
    return built


def test_the_wheel_holds_every_kernel_compiled_and_nothing_generated(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    kernels = [path.stem for path in (ROOT / "leakscope" / "kernels").glob("[a-z]*.py")]
    assert len(kernels) > 3
    assert {f"leakscope/kernels/{kernel}{suffix}" for kernel in kernels} <= names
    assert {f"leakscope/render/schemas/{name}.json" for name in ("ps", "top", "chains")} <= names
    catalogue = [path.name for path in (ROOT / "leakscope" / "sessions" / "catalogue").glob("*.toml")]
    assert catalogue
    assert {f"leakscope/sessions/catalogue/{name}" for name in catalogue} <= names
    assert {"leakscope/py.typed", "leakscope/demo/service.py"} <= names
    assert not [name for name in names if name.endswith(".c") or name.startswith("tests/")]
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_installs_and_runs_without_a_compiler(wheel: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    # Dependencies come from the tests' own environment, so that no index is asked.
    environment = {"PATH": str(venv / "bin"), "PYTHONPATH": sysconfig.get_path("platlib"), "HOME": str(tmp_path)}
    subprocess.run(
        [venv / "bin" / "pip", "install", "--quiet", "--no-deps", "--no-index", wheel], check=True, env=environment
    )
    command = venv / "bin" / "leakscope"
    done = subprocess.run([command, "--help"], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: leakscope")
    toured = subprocess.run([command, "demo"], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert (toured.returncode, toured.stderr) == (0, "")
    assert str(venv) in toured.stdout


@pytest.mark.parametrize(
    ("change", "missing", "remedy"),
    [
        ({"CC": "/nowhere/cc"}, "a C compiler", "apt-get install gcc"),
        ({"PYTHONPATH": "{shadow}"}, "Cython", "pip install 'Cython"),
    ],
)
def test_a_build_that_lacks_something_says_what_to_do(
    change: dict[str, str], missing: str, remedy: str, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "Cython.py").write_text("raise ImportError\n")
    environment = {**os.environ, **{name: value.format(shadow=tmp_path) for name, value in change.items()}}
    done = subprocess.run(
        [sys.executable, "setup.py", "bdist_wheel"], capture_output=True, text=True, cwd=source, env=environment
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert missing in line
    assert remedy in line
    assert "install a built wheel" in line

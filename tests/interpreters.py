"""The CPythons on this machine that leakscope supports, and environments with web packages for each."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cache import kept, run

SUPPORTED = ((3, 10), (3, 11), (3, 12), (3, 13))
WEB_PACKAGES = (
    "flask==3.1.3",
    "sqlalchemy==2.0.58",
    "starlette==1.7.0",
    "uvicorn==0.54.0",
    "websockets==16.1.1",
)
_SYSTEM = Path("/usr/bin")
_UV = (sys.executable, "-m", "uv", "pip")
_PIP = (sys.executable, "-m", "pip")
_PROBE = (
    "import json, sys, sysconfig; print(json.dumps([sys.implementation.name, list(sys.version_info[:3]),"
    " sys.executable, bool(sysconfig.get_config_var('Py_GIL_DISABLED')), hasattr(sys, 'gettotalrefcount')]))"
)


@dataclass(frozen=True)
class Interpreter:
    """A release build of CPython."""

    version: tuple[int, int, int]
    path: Path

    @property
    def name(self) -> str:
        """``3.12.1``; serves as the id of a test's parameter."""
        return ".".join(map(str, self.version))


@functools.cache
def installed() -> tuple[Interpreter, ...]:
    """Every supported CPython here, pyenv's before the system's, ascending by minor version."""
    found: dict[Path, Interpreter] = {}
    for path in _candidates():
        interpreter = _probe(path)
        if interpreter:
            found.setdefault(interpreter.path.resolve(), interpreter)
    return tuple(sorted(found.values(), key=lambda interpreter: interpreter.version[:2]))


@functools.cache
def one_per_version() -> tuple[Interpreter, ...]:
    """The first of each minor version. In CI all that are expected must be there: RuntimeError if not."""
    chosen: dict[tuple[int, int], Interpreter] = {}
    for interpreter in installed():
        chosen.setdefault(interpreter.version[:2], interpreter)
    missing = [version for version in _expected() if version not in chosen]
    if missing and os.environ.get("CI") == "true":
        raise RuntimeError(f"CI must test on all supported versions; not found: {missing}")
    return tuple(chosen.values())


def with_web_packages(interpreter: Interpreter) -> Path:
    """The Python of an environment of ``interpreter`` that has WEB_PACKAGES; made when first asked for."""
    return environment(interpreter, "web", WEB_PACKAGES)


def environment(interpreter: Interpreter, name: str, requirements: Sequence[str]) -> Path:
    """The Python of an environment that has what ``requirements`` (arguments of ``pip install``) says; kept.

    RuntimeError if that cannot be installed. Its folder is called ``name``, and so that another interpreter and other
    requirements make another one.
    """
    key = json.dumps([str(interpreter.path.resolve()), interpreter.version, requirements])
    digest = hashlib.blake2b(key.encode(), digest_size=6).hexdigest()
    home = kept(f"{name}-{interpreter.name}-{digest}", functools.partial(_make, interpreter, requirements))
    return home / "bin" / "python"


def _make(interpreter: Interpreter, requirements: Sequence[str], home: Path) -> None:
    """By uv in seconds; by pip in a minute where uv finds no index, since it does not read pip's configuration."""
    python = home / "bin" / "python"
    run(interpreter.path, "-m", "venv", "--without-pip", home)
    try:
        run(*_UV, "install", "--quiet", "--compile-bytecode", "--python", python, *requirements)
    except RuntimeError:
        run(*_PIP, "--python", python, "install", "--quiet", *requirements)


def _candidates() -> list[Path]:
    pyenv = sorted(_pyenv_versions().glob("*/bin/python3"))
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    named = [f"python{major}.{minor}" for major, minor in SUPPORTED]
    found = [folder / name for folder in [*folders, _SYSTEM] for name in named]
    return [path for path in [*pyenv, *found] if path.is_file() and "shims" not in path.parts]


def _pyenv_versions() -> Path:
    return Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"


def _expected() -> tuple[tuple[int, int], ...]:
    """All supported versions that pyenv has, which in CI are all supported versions."""
    built = {path.name.rpartition(".")[0] for path in _pyenv_versions().glob("*")}
    return tuple(version for version in SUPPORTED if ".".join(map(str, version)) in built)


def _probe(path: Path) -> Interpreter | None:
    answer = subprocess.run([path, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=60, check=False)
    if answer.returncode:
        return None
    name, version, executable, free_threaded, debug = json.loads(answer.stdout)
    major, minor, patch = version
    if name != "cpython" or (major, minor) not in SUPPORTED or free_threaded or debug:
        return None
    return Interpreter((major, minor, patch), Path(executable))

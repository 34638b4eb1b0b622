"""Builds leakscope's kernels so that an index out of bounds is an error and no memory is touched: for ``make fuzz``.

    python -m tests.fuzz.checked FOLDER

FOLDER gets a copy of the package, compiled with ``boundscheck``; nothing of the ordinary build changes.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Distribution
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parents[2]
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": True,
    "wraparound": False,
    "initializedcheck": True,
    "overflowcheck": False,
    "cdivision": True,
}


def build(folder: Path) -> None:
    """Copies what has changed, and compiles it."""
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.c")
    shutil.copytree(ROOT / "leakscope", folder / "leakscope", ignore=ignored, dirs_exist_ok=True)
    os.chdir(folder)
    modules = cythonize("leakscope/kernels/[a-z]*.py", compiler_directives=DIRECTIVES, quiet=True)
    command = build_ext(Distribution({"name": "leakscope", "ext_modules": modules}))
    command.inplace, command.parallel = True, os.cpu_count() or 1
    command.ensure_finalized()
    command.run()


if __name__ == "__main__":
    build(Path(sys.argv[1]).resolve())

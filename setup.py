"""Compiles the kernels; everything else about the build is in pyproject.toml."""

import os
import shutil
import sysconfig
from pathlib import Path

from setuptools import Extension, setup


def need(available: bool, what: str, remedy: str) -> None:
    """End the build with one line that says what to do."""
    if not available:
        raise SystemExit(f"leakscope's kernels are compiled and need {what}: {remedy}, or install a built wheel")


try:
    from Cython.Build import cythonize
except ImportError:
    cythonize = None

processes = os.cpu_count() or 1
compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
header = Path(sysconfig.get_path("include"), "Python.h")
need(cythonize is not None, "Cython", "pip install 'Cython>=3.1'")
need(shutil.which(compiler) is not None, f"a C compiler ({compiler})", "install one (Debian: apt-get install gcc)")
need(header.exists(), f"Python's headers ({header})", "install them (Debian: apt-get install python3-dev)")

setup(
    ext_modules=cythonize(
        # Ten times smaller, and compiled sooner, without information for debuggers.
        [Extension("*", ["leakscope/kernels/[a-z]*.py"], extra_compile_args=["-g0"])],
        nthreads=processes,
        compiler_directives={"language_level": 3, "boundscheck": False, "wraparound": False, "cdivision": True},
    ),
    options={"build_ext": {"parallel": processes}},
)

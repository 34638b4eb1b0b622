"""Compiles the kernels; everything else about the build is in pyproject.toml."""

import shutil
import sysconfig

from setuptools import setup

try:
    from Cython.Build import cythonize
except ImportError:
    raise SystemExit(
        "leakscope's kernels are compiled with Cython, which is not there: pip install 'Cython>=3.1'"
    ) from None

compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
if not any(shutil.which(name) for name in (compiler, "cc", "gcc", "clang")):
    raise SystemExit(
        "leakscope's kernels need a C compiler and none was found: "
        "install one (Debian: apt-get install gcc) or install a built wheel instead"
    )

setup(
    ext_modules=cythonize(
        "leakscope/kernels/[a-z]*.py",
        compiler_directives={"language_level": 3, "boundscheck": False, "wraparound": False, "cdivision": True},
    )
)

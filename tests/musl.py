"""CPythons that run on musl, made of what cx_Freeze's wheels for musl carry: an interpreter and its extension modules.

Made once and kept, as environments are. musl itself is the system's package (``.ci/run``).
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

from tests.cache import kept, run
from tests.interpreters import Interpreter

LOADER = Path("/lib/ld-musl-x86_64.so.1")
WHEEL = "cx_Freeze==7.0.0"
VERSIONS = ((3, 10), (3, 11), (3, 12))
"""For which that version has wheels for musl 1.1, which any musl runs."""
_STARTUP = """
import runpy, sys

def init():
    pass

def run():
    sys.argv = sys.argv[1:]
    sys.path.insert(0, sys.argv[0].rpartition("/")[0])
    runpy.run_path(sys.argv[0], run_name="__main__")
"""
# The wheels leave zlib to the system, whose own is for glibc: imports need its names, nobody here its work.
_ZLIB = """
char *zlibVersion(void) {{ return "1.2.13"; }}
{functions}
"""
_ZLIB_NAMES = (
    "adler32 crc32 deflate deflateCopy deflateEnd deflateInit_ deflateInit2_ deflateSetDictionary "
    "inflate inflateCopy inflateEnd inflateInit_ inflateInit2_ inflateSetDictionary"
)


def musl_python(interpreter: Interpreter) -> Path:
    """A CPython on musl that runs ``python3 SCRIPT ...`` with the standard library of ``interpreter``.

    RuntimeError without musl, or if it cannot be made.
    """
    if not LOADER.exists():
        raise RuntimeError("musl is missing: apt-get install musl")
    minor = f"{interpreter.version[0]}.{interpreter.version[1]}"
    return kept(f"musl-{interpreter.name}", lambda home: _make(home, interpreter, minor)) / "python3"


def _make(home: Path, interpreter: Interpreter, minor: str) -> None:
    lib = home / "lib"
    lib.mkdir(parents=True)
    options = ["--no-deps", "--only-binary=:all:", "--implementation=cp", f"--python-version={minor}"]
    options += ["--platform=musllinux_1_1_x86_64", f"--dest={home}"]
    run(sys.executable, "-m", "pip", "download", "--quiet", *options, WHEEL)
    with zipfile.ZipFile(next(home.glob("*.whl"))) as wheel:
        for name in wheel.namelist():
            folder, _, file = name.partition("cx_Freeze/bases/")[2].rpartition("/")
            if folder in ("lib", "lib-dynload") and file:
                (lib / file).write_bytes(wheel.read(name))
            elif not folder and file.startswith("console-cpython"):
                (home / "python3").write_bytes(wheel.read(name))
    (home / "python3").chmod(0o755)
    library = interpreter.path.resolve().parents[1] / "lib" / f"python{minor}"
    for entry in library.iterdir():
        if entry.name not in ("lib-dynload", "site-packages", "__pycache__"):
            (lib / entry.name).symlink_to(entry)
    (lib / "__startup__.py").write_text(_STARTUP)
    source = home / "zlib.c"
    functions = "\n".join(f"long {name}(void) {{ return 0; }}" for name in _ZLIB_NAMES.split())
    source.write_text(_ZLIB.format(functions=functions))
    target = ("-Wl,--hash-style=both", "-Wl,-soname,libz.so.1", "-o", str(lib / "libz.so.1"))
    run("gcc", "-shared", "-fPIC", "-nostdlib", "-fno-builtin", "-w", *target, str(source))

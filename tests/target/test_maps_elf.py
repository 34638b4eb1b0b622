"""Maps and ELF files: odd lines, damaged files, and builds that this machine lacks, made with its C compiler."""

from __future__ import annotations

import io
import os
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.errors import AttachError
from leakscope.target import elf
from leakscope.target.maps import mapping_at, parse_maps, read_maps
from leakscope.target.runtimes import Identity, identify

from .support import ANY

MAPS = """\
555500000000-555500001000 rw-p 00001000 fd:01 77   /opt/my app/bin/python3.12 (deleted)
555500001000-555500003000 rw-p 00000000 00:00 0    [heap]
7f0000000000-7f0000001000 rw-p 00000000 00:00 0 
7f0000001000-7f0000002000 ---p 00000000 00:00 0 
7f0000002000-7f0000003000 rw-s 00000000 00:01 12   /dev/shm/psm_1
7f0000003000-7f0000004000 rw-p 00000000 00:06 9    /dev/nvidia0
7f0000004000-7f0000005000 rw-p 00000000 00:01 13   /dev/zero (deleted)
7f0000005000-7f0000006000 r-xp 00000000 fd:01 78   /srv/two\\012lines.so
7f0000006000-7f0000007000 rw-p 00000000 00:00 0    [anon: arena]
7ffe00000000-7ffe00021000 rw-p 00000000 00:00 0    [stack]
7ffe00022000-7ffe00026000 r--p 00000000 00:00 0    [vvar]
7ffe00026000-7ffe00028000 rw-p 00000000 00:00 0    [vdso]
"""  # noqa: W291 (the kernel writes a blank there)


def test_lines_of_maps() -> None:
    mappings = parse_maps(MAPS)

    first = mappings[0]
    assert (first.start, first.end, first.offset) == (0x555500000000, 0x555500001000, 0x1000)
    assert (first.path, first.deleted, first.inode, first.device) == ("/opt/my app/bin/python3.12", True, 77, "fd:01")
    assert mappings[7].path == "/srv/two\nlines.so" and not mappings[7].deleted
    own = [mapping.path for mapping in mappings if mapping.is_own_memory]
    assert own == ["/opt/my app/bin/python3.12", "[heap]", "", "/dev/zero", "[anon: arena]", "[stack]"]


def test_mapping_at_an_address() -> None:
    mappings = parse_maps(MAPS)
    assert mapping_at(mappings, 0x555500000FFF) == mappings[0]
    assert mapping_at(mappings, 0x555500001000) == mappings[1]
    assert mapping_at(mappings, 0x555500003000) is None
    assert mapping_at(mappings, 0) is None


def test_own_maps_are_ascending() -> None:
    mappings = read_maps(os.getpid())
    assert all(one.end <= other.start for one, other in pairwise(mappings))
    assert any(mapping.path == "[stack]" for mapping in mappings)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0x030B07F0, "3.11.7"), (0x030E00A1, "3.14.0a1"), (0x030D00B2, "3.13.0b2"), (0x030C01C3, "3.12.1rc3")],
)
def test_version_numbers(number: int, text: str) -> None:
    assert elf.version_text(number) == text


def test_version_among_constants() -> None:
    assert elf.version_in_constants(b"\0/opt/python/3.10.13\0 3.10.99 x", "3.10") == "3.10.13"
    assert elf.version_in_constants(b"zlib\x001.3.10.4\0", "3.10") is None
    assert elf.version_in_constants(b"\x003.10.2+\0", "3.10") == "3.10.2"


@given(place=st.integers(0, 400), value=st.integers(0, 255), end=st.integers(0, 4096))
def test_damaged_headers_are_no_crash(place: int, value: int, end: int) -> None:
    head = bytearray(ANY.read_bytes()[: elf.HEADER_BYTES])
    head[place] = value
    elf.parse_headers(bytes(head[:end]))


@given(place=st.integers(0, 0x200), value=st.integers(0, 255))
def test_symbols_of_damaged_files_are_no_crash(place: int, value: int) -> None:
    data = bytearray(ANY.read_bytes())
    data[place] = value
    assert set(elf.find_symbols(io.BytesIO(bytes(data)), ["PyType_Type"])) <= {"PyType_Type"}


def test_32_bit_files() -> None:
    head = bytearray(ANY.read_bytes()[: elf.HEADER_BYTES])
    head[4] = 1
    headers = elf.parse_headers(bytes(head))
    assert headers is not None and headers.bits == 32 and headers.segments == ()


def built(folder: Path, name: str, source: str, *options: str) -> Identity:
    """Compiles a program that waits, runs it, and identifies it."""
    path = folder / name
    program = folder / "program.c"
    program.write_text(f'#include <stdio.h>\n{source}\nint main(void) {{ puts(""); fflush(stdout); getchar(); }}\n')
    subprocess.run(["cc", "-rdynamic", *options, "-o", str(path), str(program)], check=True)
    process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        return identify(process.pid)
    finally:
        process.communicate()


def python_source(version: int, *more: str) -> str:
    names = ["PyType_Type", "_PyRuntime", *more]
    return f"const unsigned long Py_Version = {version};\n" + "".join(f"long {name}[99];\n" for name in names)


@pytest.mark.parametrize(
    ("version", "more", "reason"),
    [
        (0x030D00F0, (), None),
        (0x030E00F0, (), "CPython 3.14.0 is newer"),
        (0x030D00B1, (), "3.13.0b1 is a pre-release"),
        (0x030D00F0, ("_Py_MergeZeroLocalRefcount",), "free-threaded"),
        (0x030C00F0, ("_Py_NegativeRefcount",), "debug build"),
    ],
)
@pytest.mark.parametrize("options", [("-no-pie",), ("-pie", "-fPIE"), ("-pie", "-fPIE", "-Wl,--hash-style=sysv")])
def test_builds(
    tmp_path: Path, version: int, more: tuple[str, ...], reason: str | None, options: tuple[str, ...]
) -> None:
    identity = built(tmp_path, "service", python_source(version, *more), *options)

    assert identity.runtime == "cpython"
    assert identity.version == elf.version_text(version)
    assert (identity.reason is None) if reason is None else (reason in (identity.reason or ""))
    assert set(identity.symbols[str(tmp_path / "service")]) == {"PyType_Type", "_PyRuntime", "Py_Version"}


def test_stripped_of_the_runtime(tmp_path: Path) -> None:
    identity = built(tmp_path, "python3.12", "long PyType_Type[99]; const unsigned long Py_Version = 0x030c01f0;")
    assert "stripped of the symbols" in (identity.reason or "")


def test_not_exported_but_in_the_symbol_table(tmp_path: Path) -> None:
    identity = built(tmp_path, "embedded", python_source(0x030C01F0), "-Wl,--no-export-dynamic")
    assert identity.version == "3.12.1" and identity.reason is None


def test_pypy_by_name(tmp_path: Path) -> None:
    identity = built(tmp_path, "pypy3.10", "")
    assert identity.runtime == "unknown" and "PyPy" in (identity.reason or "")


def test_node_by_its_own_address(tmp_path: Path) -> None:
    identity = built(tmp_path, "node", 'const char *url = "https://example.org/release/v20.1.0/node-v20.1.0.tar.gz";')
    assert (identity.runtime, identity.version) == ("node", "20.1.0")


def test_go_by_its_build_record(tmp_path: Path) -> None:
    record = r"\xff Go buildinf:\x08\x02" + r"\0" * 16 + r"\x08" + "go1.22.3"
    source = f'__attribute__((section(".go.buildinfo"), used)) const char record[] = "{record}";'
    identity = built(tmp_path, "worker", source)
    assert (identity.runtime, identity.version) == ("go", "1.22.3")


def test_jvm_by_its_library(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "release").write_text('IMPLEMENTOR="x"\nJAVA_VERSION="17.0.9"\n')
    (tmp_path / "lib.c").write_text("int vm(void) { return 1; }")
    library = tmp_path / "lib/libjvm.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "lib.c"], check=True)
    identity = built(tmp_path, "java", "", "-Wl,--no-as-needed", str(library), f"-Wl,-rpath,{tmp_path}/lib")
    assert (identity.runtime, identity.version) == ("jvm", "17.0.9")


def test_zombie_is_an_error() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(AttachError, match="zombie"):
        identify(child.pid)
    child.wait()

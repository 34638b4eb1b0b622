"""On what the figures were taken."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import leakscope
from bench.page.peers import interpreter, peers, pyheap_folder, python


def described() -> list[str]:
    """A Markdown list."""
    cpu = _first("/proc/cpuinfo", "model name") or platform.processor() or "unknown processor"
    memory = int((_first("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / (1 << 20)
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    virtual = "a virtual machine, " if "hypervisor" in Path("/proc/cpuinfo").read_text() else ""
    huge = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    pages = huge.read_text().partition("[")[2].partition("]")[0] if huge.is_file() else "unknown"
    return [
        f"- {virtual}{cpu}, {os.cpu_count()} processors, {memory:.0f} GiB of memory",
        f"- Linux {platform.release()}, transparent huge pages: {pages}; load before the run: {load}",
        f"- targets: CPython {interpreter().name}; leakscope {leakscope.__version__} in CPython"
        f" {platform.python_version()}",
        f"- peers: {', '.join(_versions())}",
        *(f"- absent: {peer.name}, {peer.missing}" for peer in peers() if peer.missing),
    ]


def _first(path: str, name: str) -> str:
    """The value of a line ``name: value``."""
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _versions() -> list[str]:
    names = ("guppy3", "Pympler", "objgraph", "memray")
    code = f"import importlib.metadata as m, sys; sys.stdout.write(' '.join(m.version(n) for n in {names!r}))"
    done = subprocess.run([str(python()), "-c", code], capture_output=True, text=True, check=True)
    found = [f"{name} {version}" for name, version in zip(names, done.stdout.split(), strict=True)]
    folder = pyheap_folder()
    if folder is not None:
        lines = (folder / "pyheap" / "pyproject.toml").read_text().splitlines()
        version = next((line.partition("=")[2].strip(' "') for line in lines if line.startswith("version")), "unknown")
        found.append(f"PyHeap {version} from its source")
    return found

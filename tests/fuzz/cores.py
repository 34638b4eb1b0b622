"""ELF cores: damaged headers, notes and segments; small ones, whose program is not here, and one of a real process."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from leakscope.cpython import read_heap
from leakscope.errors import LeakscopeError
from leakscope.target.attach import capture
from leakscope.target.core import read_core
from leakscope.target.core_copy import Part, gather
from leakscope.target.core_file import WRITABLE, CoreFile
from leakscope.target.image import PAGE_BYTES, MemoryImage
from leakscope.target.maps import Mapping, read_maps
from tests.fuzz.core_writer import core_of
from tests.fuzz.kinds import own_folder
from tests.fuzz.seeds import FOLDER, PROGRAM, load_image

_WHOLE_EVERY = 12
_NUMBERS = (
    0, 1, 2, 3, 4, 0xFF, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 47) - PAGE_BYTES, 1 << 47, 1 << 62, 1 << 63,
    (1 << 64) - 1, PAGE_BYTES, PAGE_BYTES + 1,
)  # fmt: skip


@dataclass(frozen=True)
class Damage:
    """What to write where."""

    whole: bool
    """Into the core of a real process."""
    patches: tuple[tuple[int, str], ...]
    """Place in the file, and bytes in hexadecimal."""
    length: int = -1
    """Cut there; -1: not at all."""


class Cores:
    """Keeps one file for each of the two, and repairs it after each input."""

    def __init__(self) -> None:
        self._raw = {False: _small_core(load_image(FOLDER / "image-3.11.npz")), True: _real_core()}
        folder = own_folder()
        self._paths = {whole: folder / f"{whole}.core" for whole in self._raw}
        for whole, path in self._paths.items():
            path.write_bytes(self._raw[whole])

    def make(self, dice: Random) -> Damage:
        whole = dice.randrange(_WHOLE_EVERY) == 0
        raw = self._raw[whole]
        heads = raw.index(b"/", 64) + 400  # headers, notes, the first paths
        patches = []
        for _ in range(dice.choice((1, 1, 2, 6))):
            at = dice.choice((dice.randrange(heads), dice.randrange(heads) & -8, dice.randrange(len(raw) - 8)))
            patches.append((at, self._bytes(dice, raw, at).hex()))
        length = dice.choice((-1,) * 12 + (dice.randrange(len(raw)), dice.randrange(heads)))
        return Damage(whole, tuple(patches), length)

    def _bytes(self, dice: Random, raw: bytes, at: int) -> bytes:
        way = dice.randrange(4)
        if way == 0:
            return bytes([raw[at] ^ 1 << dice.randrange(8)])
        if way == 1:
            return struct.pack("<Q", dice.choice(_NUMBERS))
        if way == 2:
            return struct.pack("<I", dice.choice(_NUMBERS) & 0xFFFFFFFF)
        number = struct.unpack_from("<Q", raw, min(at, len(raw) - 8))[0]
        return struct.pack("<Q", (number + dice.choice((-PAGE_BYTES, -8, -1, 1, 8, PAGE_BYTES))) % (1 << 64))

    def run(self, made: Damage) -> None:
        path, raw = self._paths[made.whole], self._raw[made.whole]
        with path.open("r+b") as file:
            for at, patch in made.patches:
                file.seek(at)
                file.write(bytes.fromhex(patch))
            if made.length >= 0:
                file.truncate(made.length)
        try:
            if made.whole:
                read_heap(read_core(path))
            else:
                _read_small(path)
        finally:
            with path.open("r+b") as file:
                for at, patch in made.patches:
                    file.seek(at)
                    file.write(raw[at : at + len(patch) // 2])
                if made.length >= 0:
                    file.seek(made.length)
                    file.write(raw[made.length :])
                file.truncate(len(raw))

    def encode(self, made: Damage) -> bytes:
        return json.dumps(asdict(made)).encode()

    def decode(self, raw: bytes) -> Damage:
        said = json.loads(raw)
        return Damage(said["whole"], tuple((at, patch) for at, patch in said["patches"]), said["length"])


def _read_small(path: Path) -> None:
    """Everything that can be read without the program, which is refused in the end."""
    core = CoreFile(path)
    rows = [row for row in core.segments if row["flags"] & WRITABLE and row["file_bytes"]]
    gather(core, [Part(int(row["start"]), int(row["file_bytes"]), int(row["offset"])) for row in rows], lambda _: None)
    try:
        read_core(path)
    except LeakscopeError as error:
        if "without its program" not in error.message:
            raise


def _small_core(image: MemoryImage) -> bytes:
    """Of an image whose files are nowhere, so that no file of this machine is read for each input."""
    files = []
    for number, module in enumerate(image.modules):
        start = min((begin for begin, _ in module.data_ranges), default=0x550000000000) & -PAGE_BYTES
        path = f"/nowhere/{number}/{Path(module.path).name}"
        files.append(Mapping(start - 16 * PAGE_BYTES, start, "r-xp", 0, "00:00", number + 1, path, False))
    return core_of(image, sorted(files))


def _real_core() -> bytes:
    """Of a process of this Python's own, which ends again."""
    command = [sys.executable, "-I", "-S", str(PROGRAM)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}, cwd="/") as process:
        assert process.stdout is not None
        process.stdout.readline()
        image = capture(process.pid)
        files = [mapping for mapping in read_maps(process.pid) if mapping.is_file]
        auxiliary = Path(f"/proc/{process.pid}/auxv").read_bytes()
        process.kill()
    return core_of(image, files, auxiliary)

"""``expect_gone`` inside a service: what it keeps, and that nothing it is called from ever suffers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.interpreters import Interpreter, one_per_version

ROOT = Path(__file__).parents[2]
PRELUDE = """
import gc, sys
sys.path.insert(0, {root!r})
from leakscope import expect_gone
from leakscope.inprocess.expectations import Expectation, _expectations as waiting

class Session:
    pass
"""


@pytest.fixture(params=one_per_version(), ids=lambda found: found.name)
def python(request: pytest.FixtureRequest) -> Interpreter:
    interpreter: Interpreter = request.param
    return interpreter


def run(python: Interpreter, program: str, *options: str) -> str:
    """What ``program`` prints; nothing on standard error, not even at exit, and it ends well."""
    text = PRELUDE.format(root=str(ROOT)) + program
    done = subprocess.run(
        [python.path, "-I", *options, "-c", text], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_it_keeps_a_weak_reference_and_forgets_with_the_object(python: Interpreter) -> None:
    run(
        python,
        """
first, second = Session(), Session()
assert expect_gone(first, "logout", within=30) is True
expect_gone(second)
assert [e() for e in waiting.values()] == [first, second]
assert [(e.reason, e.within) for e in waiting.values()] == [("logout", 30), ("", 0.0)]
del first
assert len(waiting) == 1
second.itself = second
del second
gc.collect()
assert not waiting
""",
    )


def test_a_later_call_for_one_object_replaces_the_earlier(python: Interpreter) -> None:
    run(
        python,
        """
session = Session()
for number in range(1000):
    expect_gone(session, f"try {number}", within=number)
(kept,) = waiting.values()
assert (kept.reason, kept.within) == ("try 999", 999)
del session, kept
gc.collect()
assert not waiting
""",
    )


def test_an_object_without_weak_references_is_refused_with_a_warning_and_nothing_else(python: Interpreter) -> None:
    run(
        python,
        """
import warnings

class Slotted:
    __slots__ = ("a",)

for refused in (None, 42, "text", [], {}, Slotted()):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert expect_gone(refused, "logout") is False
    (only,) = said
    assert only.category is RuntimeWarning
    assert type(refused).__qualname__ in str(only.message)
    assert only.filename == "<string>"
assert not waiting
""",
    )


def test_hostile_objects_are_not_asked_anything(python: Interpreter) -> None:
    """Neither their hash, equality, truth nor attributes."""
    run(
        python,
        """
class Hostile:
    def fail(self, *arguments):
        raise RuntimeError("touched")
    __hash__ = __eq__ = __bool__ = __getattribute__ = __len__ = __repr__ = fail

objects = [Hostile(), Hostile()]
for hostile in objects:
    expect_gone(hostile, "logout")
    expect_gone(hostile, "again")
assert len(waiting) == 2
del hostile
objects.clear()
assert not waiting
""",
    )


def test_threads(python: Interpreter) -> None:
    """Objects that begin and end in all threads at once, in cycles and without, leave nothing behind."""
    run(
        python,
        """
import threading
sys.setswitchinterval(1e-6)
gc.set_threshold(50)
failed = []

def work():
    try:
        for number in range(4000):
            session = Session()
            if number % 2:
                session.itself = session
            expect_gone(session, "logout", within=number)
            expect_gone(session, "again", within=number)
    except BaseException as error:
        failed.append(error)

threads = [threading.Thread(target=work) for _ in range(6)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
gc.collect()
assert not failed and not waiting, (failed, len(waiting))
assert threading.active_count() == 1
""",
    )


def test_coroutines(python: Interpreter) -> None:
    run(
        python,
        """
import asyncio

async def handle(number):
    session = Session()
    expect_gone(session, "logout", within=30)
    await asyncio.sleep(0)
    assert session in [e() for e in waiting.values()]
    if number % 2:
        raise asyncio.CancelledError

async def main():
    await asyncio.gather(*(handle(number) for number in range(100)), return_exceptions=True)

asyncio.run(main())
gc.collect()
assert not waiting
""",
    )


def test_a_forked_child_begins_with_none_and_the_parent_keeps_its_own(python: Interpreter) -> None:
    run(
        python,
        """
import os
session = Session()
expect_gone(session, "logout", within=30)
child = os.fork()
if not child:
    own = Session()
    good = not waiting
    expect_gone(own)
    good = good and len(waiting) == 1
    del own, session
    os._exit(0 if good and not waiting else 1)
assert os.waitpid(child, 0)[1] == 0
assert len(waiting) == 1
""",
    )


def test_interpreter_exit_is_silent(python: Interpreter) -> None:
    """With objects that live to the end in modules, threads, cycles and finalizers that call once more."""
    run(
        python,
        """
import atexit, threading

class Late:
    def __init__(self):
        self.expect = expect_gone
        self.itself = self
    def __del__(self):
        self.expect(self, "too late")
        self.expect(Session(), "later still")

kept = [Session() for _ in range(100)] + [Late() for _ in range(100)]
for session in kept:
    expect_gone(session, "logout")
sys.kept_too = kept
builtins = __import__("builtins")
builtins.kept_for_ever = Late()
expect_gone(builtins.kept_for_ever)
atexit.register(lambda: expect_gone(Late(), "at exit"))
threading.Thread(target=lambda held: threading.Event().wait(), args=(Late(),), daemon=True).start()
""",
    )


def test_no_argument_makes_it_fail(python: Interpreter) -> None:
    """They are not looked at here: whatever they are, the service goes on."""
    run(
        python,
        """
session = Session()
for odd in ("30", None, float("nan"), -1, 10**400):
    assert expect_gone(session, odd, within=odd) is True
assert len(waiting) == 1
""",
    )


def test_it_loads_the_standard_library_alone(python: Interpreter) -> None:
    """A bare interpreter without site-packages; and ``import leakscope`` by itself loads nothing."""
    out = run(
        python,
        """
foreign = sorted(
    name for name in sys.modules
    if name.partition(".")[0] not in sys.stdlib_module_names | {"__main__", "leakscope"}
)
print(foreign, sorted(name for name in sys.modules if name.startswith("leakscope")))
""",
        "-S",
    )
    assert out == "[] ['leakscope', 'leakscope.inprocess', 'leakscope.inprocess.expectations']\n"


def test_import_of_the_package_alone_loads_nothing() -> None:
    program = "import sys; before = set(sys.modules); import leakscope; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "['leakscope']\n"


def test_the_package_says_that_it_has_no_other_name() -> None:
    import leakscope

    with pytest.raises(AttributeError, match="has no attribute 'expect_gon'"):
        leakscope.expect_gon  # noqa: B018 - the look-up is the test

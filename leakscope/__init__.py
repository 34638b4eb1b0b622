"""leakscope: which sessions are still alive, how old are they, and who holds them?

``from leakscope import expect_gone`` is all that a service ever imports; it loads the standard library alone.
Tests have ``no_leaks`` and its ``LeakError``.
"""

TYPE_CHECKING = False  # that of ``typing``, without loading it
if TYPE_CHECKING:
    from leakscope.inprocess.expectations import expect_gone
    from leakscope.inprocess.leaks import LeakError, no_leaks

__version__ = "0.1.0"
__all__ = ["LeakError", "__version__", "expect_gone", "no_leaks"]

_HOME = {"expect_gone": "expectations", "no_leaks": "leaks", "LeakError": "leaks"}


def __getattr__(name: str) -> object:
    """Loads what is for use in one's own code when it is first asked for: commands need none of it."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(f"leakscope.inprocess.{_HOME[name]}"), name)
    globals()[name] = found
    return found

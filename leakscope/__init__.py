"""leakscope: which sessions are still alive, how old are they, and who holds them?

``from leakscope import expect_gone`` is all that a service ever imports; it loads the standard library alone.
"""

TYPE_CHECKING = False  # that of ``typing``, without loading it
if TYPE_CHECKING:
    from leakscope.inprocess.expectations import expect_gone

__version__ = "0.1.0"
__all__ = ["__version__", "expect_gone"]


def __getattr__(name: str) -> object:
    """Loads ``expect_gone`` when it is first asked for: commands need none of it."""
    if name != "expect_gone":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from leakscope.inprocess.expectations import expect_gone

    globals()[name] = expect_gone
    return expect_gone

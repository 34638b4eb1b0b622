"""What an address of the web names: asked of every SOURCE, and so without what fetches one."""

from __future__ import annotations

import urllib.parse

from leakscope.errors import UsageError

_PROFILES = "/debug/pprof/"
_EXAMPLES = "http://HOST:PORT/debug/pprof/heap for Go, http://HOST:9229 for the inspector of Node"


def parts_of(url: str) -> urllib.parse.SplitResult:
    """UsageError for what is no URL."""
    try:
        parts = urllib.parse.urlsplit(url)
        parts.port  # noqa: B018 (says whether it is a number)
    except ValueError as error:
        raise UsageError(f"{url} is no URL: {error}", _EXAMPLES) from error
    if not parts.hostname:
        raise UsageError(f"{url} names no host", _EXAMPLES)
    return parts


def is_url(source: str) -> bool:
    """Whether SOURCE is an address of the web and no file."""
    return source.startswith(("http://", "https://", "ws://", "wss://"))


def names_profile(url: str) -> bool:
    """Whether it is one of Go's profiles."""
    return url.startswith("http") and _PROFILES in parts_of(url).path


def profile_url(url: str) -> str:
    """The URL of a profile as leakscope asks for it: binary, of a heap after a collection.

    UsageError for profiles that are taken over time or say nothing about what lives.
    """
    parts = parts_of(url)
    name = parts.path.rpartition("/")[2]
    if name not in ("heap", "allocs", "goroutine"):
        raise UsageError(
            f"{name or 'an index'} is no profile of what lives", "Take /debug/pprof/heap or /debug/pprof/goroutine."
        )
    asked = [(key, value) for key, value in urllib.parse.parse_qsl(parts.query) if key not in ("debug", "gc")]
    if name != "goroutine":
        asked.append(("gc", "1"))
    return urllib.parse.urlunsplit(parts._replace(query=urllib.parse.urlencode(asked), fragment=""))

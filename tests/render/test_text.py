"""Whole answers as text, on a narrow and a wide screen, with names that try to break out."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent

import pytest

from fixtures.findings import CLUSTER, HOSTILE, HOSTILE_SHOWN, PROCESSES, REPORT, SNAPSHOT
from leakscope.findings.model import (
    ChainRoot,
    ChainStep,
    Check,
    ClassRow,
)
from leakscope.findings.sessions import SessionClass, SessionItem, SessionReport
from leakscope.render import session_text, text
from leakscope.render.screen import Screen

NARROW, WIDE = Screen(width=80), Screen(width=200)


def page(expected: str) -> str:
    return dedent(expected).removeprefix("\n")


def test_a_chain_is_told_root_first_one_reference_a_line() -> None:
    told = """
         1. 1,234 x shop.web.Session  5.0 MiB retained  fingerprint 0123456789ab
            module shop.web
              .PENDING: set
                item: _asyncio.Task
                  .coro: coroutine  in remind()  /srv/shop/web.py:42
                    local 'session': shop.web.Session
            for example 0x7f0000001000, 0x7f0000002000

         2. 1 x dict  1023 B retained  fingerprint 0123456789ab
            thread worker
            for example 0x10
        """
    other = replace(
        CLUSTER,
        class_="dict",
        count=1,
        retained_bytes=1023,
        root=ChainRoot("thread", "worker"),
        steps=(),
        sample_addresses=(16,),
    )
    expected = "\n".join(f" {line}" if line else line for line in page(told).splitlines()) + "\n"
    assert text.chains([CLUSTER, other], NARROW) == expected
    assert text.chains([CLUSTER, other], WIDE) == expected


def test_top() -> None:
    rows = [ClassRow("shop.web.Session", 1234, 1024, 3 * 1024**3), ClassRow("dict", 7, 0, 1023)]
    expected = page(
        """
        count      own  retained  class
        1,234  1.0 KiB   3.0 GiB  shop.web.Session
            7      0 B    1023 B  dict
        """
    )
    assert text.top(rows, NARROW) == expected
    assert text.top(rows, WIDE) == expected


def test_a_long_name_folds_in_its_own_column_and_loses_nothing() -> None:
    row = ClassRow("a." + "Long" * 40, 1, 2, 3)
    lines = text.top([row], NARROW).splitlines()[1:]
    assert len(lines) > 1
    assert "".join(line[22:] for line in lines) == row.class_
    assert all(line.startswith(" " * 22) for line in lines[1:])
    assert row.class_ in text.top([row], WIDE)


def test_sessions_leaves_out_columns_of_which_nothing_is_known() -> None:
    bare = replace(REPORT, others=(), expected=(), pools=(), process=None)
    assert session_text.sessions(bare, WIDE) == page(
        r"""
        1,236 sessions alive, by class
        count  retained  class
        1,234   5.0 MiB  shop.web.Session
            2     100 B  evil.\x1b[2J[bold red]Session[/]\u202egnp.exe\x0a\x9b31m

        who holds them (leakscope chains shows each step)
        count  retained  fingerprint   chain
        1,234   5.0 MiB  0123456789ab  shop.web .PENDING -> item -> .coro -> local 'session'

        one by one: 2, flagged ones first, then the oldest
        address         retained  held as       class
        0x7f0000001000   4.0 KiB  0123456789ab  shop.web.Session
        0x7f0000002000     400 B  -             evil.\x1b[2J[bold red]Session[/]\u202egnp.exe\x0a\x9b31m
        """
    )


def test_sessions_shows_ages_and_states_when_they_are_known() -> None:
    item = SessionItem(
        0x10,
        "Session",
        1,
        None,
        id="#1a2b",
        state="closed",
        age_s=7503,
        idle_s=5,
        flags=("overdue",),
    )
    report = SessionReport((SessionClass("Session", 1, 1, 1, 1, 7503, 59.97),), (item,), 1)
    assert session_text.sessions(report, NARROW) == page(
        """
        1 session alive, by class
        count  retained  closed  overdue  oldest  median  class
            1       1 B       1        1  2h 05m  1m 00s  Session

        one by one
        address  id     state      age   idle  flags    retained  class
        0x10     #1a2b  closed  2h 05m  5.0 s  overdue       1 B  Session
        """
    )


def test_sessions_shows_what_the_service_expected_and_what_the_kernel_says() -> None:
    told = session_text.sessions(REPORT, WIDE)
    assert told.endswith(
        page(
            r"""

            expected to be gone
            2 shop.web.Session should be gone after 'logout', the first for 1m 30s; 3 more not yet due

            pools
            shop.pool.Pool: 5 of 5 checked out, 0 idle: exhausted
              3 held by shop.web.Session
            evil.\x1b[2J[bold red]Session[/]\u202egnp.exe\x0a\x9b31m: 1,200 checked out
            1 of which nothing is checked out

            the process
            memory    RSS 1.0 MiB, live Python objects 1000 B
            files     3 descriptors: 3 sockets
                      7 files held by 7 shop.web.Transcript
                      5 files, 2 kernel of no file, socket or epoll object
            sockets   3 CLOSE_WAIT
                      3 in CLOSE_WAIT held by 2 shop.web.Session

            Also alive: 3 tasks; --all lists them.
            """
        )
    )


def test_sessions_says_what_should_be_gone_and_what_was_left_out() -> None:
    item = SessionItem(0x10, "Session", 1, None, age_s=600, age_at_least=True, left_s=-90, flags=("overdue",))
    report = SessionReport(
        classes=(SessionClass("Session", 2, 1, uncollected=3),),
        items=(item,),
        total=2,
        flagged=1,
        unjudged=4,
        others=(("task", 1), ("resource", 1200)),
    )
    assert session_text.sessions(report, WIDE) == page(
        """
        2 sessions alive, 1 should be gone, by class
        count  retained  uncollected  class
            2       1 B            3  Session

        one by one: 1, flagged ones first, then the oldest
        address           age  time left  flags    retained  class
        0x10     over 10m 00s    -1m 30s  overdue       1 B  Session

        3 more are unreachable and await the garbage collector (uncollected).
        4 keep no time that could be read, so they were not judged: --watch 60s or --earlier FILE tells a least age, leakscope rules --check PID which field is missing.
        Also alive: 1 task, 1,200 resources; --all lists them.
        """  # noqa: E501 - one line of the answer is one line here
    )


def test_snapshot() -> None:
    assert text.snapshot(SNAPSHOT, NARROW) == page(
        r"""
        target    PID 4242, cpython 3.11.7
        pause     12.3 ms (1.0 GiB copied, strategy copy)
        heap      1,234,567 objects, 7,654,321 references
        sessions  1,236 alive
        garbage   12 objects, 3.4 KiB, not collected yet
        took      3.2 s
        file      a.leakscope
        warning: torn\x1b[0m page
        Next: leakscope sessions a.leakscope
        """
    )


def test_ps_says_why_a_process_cannot_be_read() -> None:
    expected = page(
        r"""
         PID  runtime              RSS  threads  files  conns  command     attach
        4242  cpython 3.11.7  46.0 MiB       12     30      4  gunicorn    yes
          77  cpython 3.8.18   1.0 MiB        1      -      -  old\x1b.py  no: 3.8 is not verified
        """
    )
    assert text.ps(PROCESSES, WIDE) == expected
    assert all(len(line) <= 80 for line in text.ps(PROCESSES, NARROW).splitlines())


def test_doctor_puts_the_remedy_under_the_check() -> None:
    checks = [Check("platform", "ok", "Linux"), Check("rights", "failed", "no", "Use sudo.")]
    assert text.doctor(checks, NARROW) == page(
        """
        ok      platform: Linux
        failed  rights: no
                Use sudo.
        1 of 2 checks failed.
        """
    )
    assert text.doctor(checks[:1], NARROW).endswith("Nothing stands in the way.\n")


@pytest.mark.parametrize("width", [40, 80, 200])
def test_hostile_names_are_shown_escaped_and_whole(width: int) -> None:
    evil = replace(
        CLUSTER,
        class_=HOSTILE,
        root=ChainRoot(HOSTILE, HOSTILE, HOSTILE, 3),
        steps=(ChainStep(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 1),),
        text=HOSTILE,
    )
    screen = Screen(width=width)
    answers = [
        text.chains([evil], screen),
        text.top([ClassRow(HOSTILE, 1, 2, 3)], screen),
        session_text.sessions(replace(REPORT, clusters=(evil,)), screen),
        text.snapshot(replace(SNAPSHOT, path=HOSTILE, warnings=(HOSTILE,)), screen),
        text.ps([replace(PROCESSES[1], command=HOSTILE, reason=HOSTILE)], screen),
        text.doctor([Check(HOSTILE, "failed", HOSTILE, HOSTILE)], screen),
    ]
    for answer in answers:
        assert all(character.isprintable() or character == "\n" for character in answer)
        assert all(len(line) <= width for line in answer.splitlines())
    if width == 200:
        assert all(HOSTILE_SHOWN in answer for answer in answers)


def test_colour_marks_the_edges_and_changes_no_words() -> None:
    import re

    coloured = text.chains([CLUSTER], Screen(width=80, color=True))
    assert "\x1b[36m.PENDING\x1b[0m: set" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == text.chains([CLUSTER], NARROW)


def test_nothing_found_is_said() -> None:
    assert "No live object" in text.chains([], NARROW)
    assert "No sessions" in session_text.sessions(SessionReport((), (), 0), NARROW)
    assert "No process" in text.ps([], NARROW)
    assert "No live objects" in text.top([], NARROW)

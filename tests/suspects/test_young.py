"""Sessions that are within their time: no suspect for growing in number, unless the work of each round was ended."""

from __future__ import annotations

from leakscope.analysis.suspects import find_suspects
from leakscope.analysis.young import WITHIN_TIME
from tests.interpreters import one_per_version
from tests.suspects.programs import programs, snapshots


def test_sessions_within_their_time_are_a_candidate_until_their_work_is_known_to_be_over() -> None:
    (program,) = (one for one in programs("sound") if one.path.stem == "sessions_young")
    graphs = snapshots(program.python(one_per_version()[-1]), program, 3)
    told = find_suspects(graphs)
    assert not told.suspects
    (candidate,) = told.candidates
    assert candidate.reason.endswith(WITHIN_TIME)
    assert (candidate.class_, candidate.count) == ("__main__.Session", 120)
    (suspect,) = find_suspects(graphs, ended=True).suspects
    assert (suspect.class_, suspect.holder) == ("__main__.Session", "__main__.STORE.sessions")

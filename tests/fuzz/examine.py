"""Asks a heap everything that commands ask, and draws the answers: what is read must also be usable."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

from leakscope.analysis.diff import find_diff
from leakscope.analysis.digest import digest
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.sessions import Wanted, session_report
from leakscope.analysis.suspects import find_suspects
from leakscope.analysis.top import top_classes
from leakscope.cli.chains import find
from leakscope.cpython import read_heap
from leakscope.cpython.bounds import read_bounds
from leakscope.cpython.field_values import HeapValues
from leakscope.formats.checks import check
from leakscope.graph.heap import HeapGraph
from leakscope.render import diff_text, session_text, suspect_text, text
from leakscope.render.screen import Screen
from leakscope.sessions.load import RuleSet, arranged, load_rules
from leakscope.sessions.read import read_sessions
from leakscope.sessions.rule_files import read_tables
from leakscope.target.image import MemoryImage

SCREEN = Screen(width=80, color=False)
OWN_RULE = {
    "name": "seed",
    "class": "__main__.Session",
    "id": "id",
    "created": "created_at",
    "state": "state",
    "when": "state == 'open' or seen",
}
"""For the sessions of the seed program."""


@functools.cache
def short_rules() -> RuleSet:
    """One rule, and the guess by name."""
    return arranged([read_tables({"session": [OWN_RULE]}, "seed.toml")])


@functools.cache
def all_rules() -> RuleSet:
    """All that leakscope brings."""
    return load_rules((), Path("/"))


def read_all(image: MemoryImage, rules: RuleSet) -> HeapGraph:
    """As ``snapshot`` does, up to the file, whose writer would refuse a graph that does not hold together."""
    graph = read_heap(image)
    values = HeapValues(image, graph)
    sessions, _ = read_sessions(graph, values, rules)
    graph = dataclasses.replace(graph, sessions=sessions, bounds=read_bounds(graph, values))
    check(graph)
    return graph


def ask_all(graph: HeapGraph, draw: bool) -> None:
    """All analyses; LeakscopeError where one does not apply. Drawing takes longer than all of them."""
    index = HeapIndex(graph)
    clusters = find(index)
    classes = top_classes(index, 30)
    report = session_report(index, Wanted(), 50, [])
    if draw:
        text.chains(clusters, SCREEN)
        text.top(classes, SCREEN)
        session_text.sessions(report, SCREEN)


def compare_all(graph: HeapGraph, before: HeapGraph) -> None:
    """What needs more than one heap."""
    indexes = [HeapIndex(before), HeapIndex(graph)]
    digests = [digest(index, name, True) for index, name in zip(indexes, ("before", "after"), strict=True)]
    diff_text.diff(find_diff(digests, indexes[-1]), SCREEN)
    suspect_text.suspects(find_suspects([before, graph], short_rules()), SCREEN)

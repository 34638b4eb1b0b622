"""Where rules come from, and which comes before which; what is broken is named and holds nothing up."""

from __future__ import annotations

from pathlib import Path

import pytest

from leakscope.errors import InputError
from leakscope.sessions.guess import GUESS
from leakscope.sessions.load import RuleSet, built_in, load_rules

RULE = '[[session]]\nname = "{0}"\nclass = "app.{0}"\n'
TOOL = '[[tool.leakscope.session]]\nname = "{0}"\nclass = "app.{0}"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty project inside another folder."""
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    return project


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on ``sys.path`` in which ``install`` puts packages with entry points."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    return site


def install(site: Path, module: str, code: str, name: str = "RULES") -> None:
    (site / f"{module}.py").write_text(code)
    info = site / f"{module}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[leakscope.rules]\n{module} = {module}:{name}\n")


def own(ruleset: RuleSet) -> list[str]:
    """Names of the rules that do not come with leakscope."""
    return [rule.name for rule in ruleset.rules if rule.source not in ("catalogue", "leakscope")]


def test_the_order_of_the_sources(folder: Path, plug_in: Path) -> None:
    (folder / "leakscope.toml").write_text(RULE.format("third"))
    (folder / "pyproject.toml").write_text(TOOL.format("fourth"))
    install(plug_in, "fifth_rules", f"RULES = {RULE.format('fifth')!r}")
    for name in ("first", "second"):
        (folder / f"{name}.toml").write_text(RULE.format(name))
    ruleset = load_rules([folder / "first.toml", folder / "second.toml"], folder)
    assert ruleset.problems == ()
    names = [rule.name for rule in ruleset.rules]
    assert names[:5] == ["first", "second", "third", "fourth", "fifth"]
    assert names[5:-1] == [rule.name for rule in built_in().rules]
    assert ruleset.rules[-1] == GUESS
    assert [rule.source for rule in ruleset.rules[:5]] == [
        *(str(folder / name) for name in ("first.toml", "second.toml", "leakscope.toml", "pyproject.toml")),
        "plug-in fifth_rules",
    ]


def test_the_catalogue_has_no_mistakes() -> None:
    catalogue = built_in()
    assert catalogue.problems == ()
    assert len(catalogue.rules) >= 40
    assert all(rule.title and rule.remedy for rule in catalogue.rules if rule.category != "resource")


def test_files_are_searched_upwards_to_the_repository(folder: Path) -> None:
    inner = folder / "src" / "app"
    inner.mkdir(parents=True)
    (folder.parent / "leakscope.toml").write_text(RULE.format("outside"))
    (folder / "leakscope.toml").write_text(RULE.format("mine"))
    (folder / "src" / "pyproject.toml").write_text('[tool.other]\nname = "x"\n')
    (folder / "pyproject.toml").write_text(TOOL.format("project"))
    assert own(load_rules([], inner)) == ["mine", "project"]
    (inner / "leakscope.toml").write_text(RULE.format("nearer"))
    assert own(load_rules([], inner)) == ["nearer", "project"]


def test_the_first_of_a_name_wins_and_the_other_is_shown_as_disabled(folder: Path) -> None:
    name = built_in().rules[0].name
    (folder / "leakscope.toml").write_text(RULE.format(name))
    ruleset = load_rules([], folder)
    assert ruleset.problems == ()
    assert own(ruleset) == [name]
    assert [(rule.source, by) for rule, by in ruleset.disabled] == [("catalogue", str(folder / "leakscope.toml"))]


@pytest.mark.parametrize(
    "said",
    ['[tool.leakscope]\ndisable = ["{}", "guess"]\n', '[[tool.leakscope.session]]\nname = "{}"\nenabled = false\n'],
)
def test_a_rule_is_switched_off_by_name(said: str, folder: Path) -> None:
    name = built_in().rules[0].name
    (folder / "pyproject.toml").write_text(said.format(name))
    ruleset = load_rules([], folder)
    assert name not in [rule.name for rule in ruleset.rules]
    assert ("guess" in said) == (GUESS not in ruleset.rules)
    assert ruleset.problems == ()


def test_a_name_that_is_disabled_in_vain_is_a_problem(folder: Path) -> None:
    (folder / "leakscope.toml").write_text('disable = ["gues"]\n')
    (problem,) = load_rules([], folder).problems
    assert problem.text == "disables 'gues', but no later rule is called so (did you mean 'guess'?)"


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"a = [", "Invalid"), (b"\xff\xfe", "decode"), (b"#" * (5 << 20), "larger than 4 MiB"),
     (b"a = " + b"[" * 5000 + b"]" * 5000, "")],
    ids=["no TOML", "no UTF-8", "huge", "deep"],
)  # fmt: skip
def test_a_broken_file_is_an_error_if_asked_for_and_else_a_problem(content: bytes, says: str, folder: Path) -> None:
    path = folder / "leakscope.toml"
    path.write_bytes(content)
    (problem,) = load_rules([], folder).problems
    assert (problem.source, problem.rule) == (str(path), "")
    assert says in problem.text
    with pytest.raises(InputError, match="no TOML") as raised:
        load_rules([path], folder.parent)
    assert "docs/RULES.md" in raised.value.help


def test_a_file_that_cannot_be_read_is_an_error(folder: Path) -> None:
    for path in (folder / "nowhere.toml", folder):
        with pytest.raises(InputError, match="cannot read the rules in") as raised:
            load_rules([path], folder)
        assert raised.value.help


@pytest.mark.parametrize(
    "code",
    [
        f"RULES = {RULE.format('mine')!r}",
        "RULES = [{'name': 'mine', 'class': 'app.Mine'}]",
        "from pathlib import Path\nRULES = Path(__file__).with_name('mine.toml')",
        "from pathlib import Path\nRULES = str(Path(__file__).with_name('mine.toml'))",
        "from importlib import resources\nRULES = resources.files('mine_data').joinpath('mine.toml')",
    ],
    ids=["text", "tables", "path", "path as text", "resource"],
)
def test_a_plug_in_brings_rules(code: str, plug_in: Path, folder: Path) -> None:
    (plug_in / "mine.toml").write_text(RULE.format("mine"))
    (plug_in / "mine_data").mkdir()
    (plug_in / "mine_data" / "__init__.py").write_text("")
    (plug_in / "mine_data" / "mine.toml").write_text(RULE.format("mine"))
    install(plug_in, f"rules_of_{abs(hash(code))}", code)
    ruleset = load_rules([], folder)
    assert (own(ruleset), ruleset.problems) == (["mine"], ())


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("raise ValueError('not today')", "ValueError: not today"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("", "AttributeError"),
        ("RULES = 7", "TypeError: a TOML text, a path or a list of tables is meant, not int"),
        ("RULES = 'a = ['", "TOMLDecodeError"),
        ("RULES = '/nowhere/rules.toml'", "FileNotFoundError"),
        ("RULES = [1]", "a rule is a table"),
        ("RULES = [{'name': 'bad', 'clas': 'x.Y'}]", "did you mean 'class'?"),
    ],
)
def test_a_broken_plug_in_is_named_and_skipped(code: str, says: str, plug_in: Path, folder: Path) -> None:
    module = f"broken_{abs(hash(code))}"
    install(plug_in, module, code)
    install(plug_in, f"sound_{abs(hash(code))}", "RULES = [{'name': 'sound', 'class': 'app.Sound'}]")
    ruleset = load_rules([], folder)
    assert own(ruleset) == ["sound"]
    assert {problem.source for problem in ruleset.problems} == {f"plug-in {module}"}
    assert any(says in problem.text for problem in ruleset.problems)

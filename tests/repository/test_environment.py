"""The environment is read in one place and documented in one place."""

import ast
import re

from signalpost.config.settings import ALL_SETTINGS, FILE_SUFFIX, PREFIXES, known_variables
from tests.repository.sources import PAGES, ROOT, SOURCE, SOURCES, shown, tree_of

VARIABLE = re.compile(r"(?:SIGNALPOST|DISCORD|OANDA|REDIS|XDG)_[A-Z_]+")
ASKS = SOURCE / "config" / "config.py"
OTHERS = "XDG_DATA_HOME"
"""Variables that are read and are not ours."""
OF_A_FILE = re.compile(r"^\[destinations\.([\w-]+)\]$", re.MULTILINE)
PAGE = (ROOT / "docs" / "reference" / "names.md").read_text(encoding="utf-8")
READ, TO_COME = (
    set(VARIABLE.findall(PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]))
    for heading in ("Environment variables", "Names to come")
)


def _named() -> set[str]:
    """Each variable whose full name is a string in the source; not parts or prefixes of names."""
    texts = (
        node.value
        for path in SOURCES
        if re.search("SIGNALPOST_|DISCORD_|XDG_", path.read_text(encoding="utf-8"))
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant)
    )
    return {text for text in texts if isinstance(text, str) and VARIABLE.fullmatch(text)} - {*PREFIXES}


def test_the_documented_variables_are_those_that_are_read() -> None:
    """Each webhook's variable also exists with the suffix _FILE, which the page documents once."""
    twins = {name for name in known_variables() if name.endswith(FILE_SUFFIX)}
    assert {name.removesuffix(FILE_SUFFIX) for name in twins} == {
        name for name in READ if name.startswith(("DISCORD_WEBHOOK", "OANDA"))
    } - twins
    assert READ - twins == {*known_variables(), OTHERS} - twins
    assert READ & twins


def test_the_page_has_the_description_and_the_default_of_each_setting() -> None:
    rows = {
        line.split("`")[1]: line
        for line in PAGE.splitlines()
        if line.startswith(("| `SIGNALPOST_", "| `DISCORD_", "| `REDIS_"))
    }
    for setting in (each for each in ALL_SETTINGS if each.variable):
        default = setting.parser.show(setting.default)
        shown = {True: "on", False: "off"}[default] if isinstance(default, bool) else default
        last = "not set" if shown == "" else f"`{shown}`"
        assert rows[setting.variable] == f"| `{setting.variable}` | {setting.description} | {last} |"


def test_the_source_names_no_variable_that_the_configuration_does_not_know() -> None:
    assert _named() == {*known_variables(), OTHERS} - {name for name in known_variables() if name.endswith(FILE_SUFFIX)}


def test_a_variable_to_come_is_not_read_yet() -> None:
    assert TO_COME
    assert TO_COME & _named() == set()


def test_no_page_names_a_variable_that_is_neither_read_nor_to_come() -> None:
    """A destination of one's own has a variable too, where the page names it."""
    texts = {shown(page): page.read_text(encoding="utf-8") for page in PAGES}
    named = {
        page: set(VARIABLE.findall(text)) - {*known_variables(tuple(OF_A_FILE.findall(text)))}
        for page, text in texts.items()
    }
    unknown = {page: names - READ - TO_COME - {*PREFIXES} for page, names in named.items()}
    assert {page: names for page, names in unknown.items() if names} == {}


def test_only_the_configuration_reads_the_environment() -> None:
    asks = {
        shown(path)
        for path in SOURCES
        if re.search("environ|getenv", path.read_text(encoding="utf-8"))
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute | ast.Name) and ast.unparse(node) in {"os.environ", "os.getenv", "environ"}
    }
    assert asks == {shown(ASKS)}

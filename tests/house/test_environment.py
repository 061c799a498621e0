"""What the environment may say is read in one place, and told in one place."""

import ast
import re

from tests.house.repository import PAGES, ROOT, SOURCE, SOURCES, shown, tree_of

VARIABLE = re.compile(r"(?:SIGNALPOST|DISCORD|XDG)_[A-Z_]+")
ASKS = SOURCE / "config" / "settings.py"
PAGE = (ROOT / "docs" / "reference" / "names.md").read_text(encoding="utf-8")
READ, TO_COME = (
    set(VARIABLE.findall(PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]))
    for heading in ("Environment variables", "Names to come")
)


def _named() -> set[str]:
    """Each variable whose name is a text of the source, and no part of one."""
    texts = (node.value for path in SOURCES for node in ast.walk(tree_of(path)) if isinstance(node, ast.Constant))
    return {text for text in texts if isinstance(text, str) and VARIABLE.fullmatch(text)}


def test_every_variable_that_is_read_is_told_and_every_variable_that_is_told_is_read() -> None:
    assert _named() == READ


def test_a_variable_to_come_is_not_read_yet() -> None:
    assert TO_COME
    assert TO_COME & _named() == set()


def test_no_page_names_a_variable_that_is_neither_read_nor_to_come() -> None:
    named = {shown(page): set(VARIABLE.findall(page.read_text(encoding="utf-8"))) for page in PAGES}
    unknown = {page: names - READ - TO_COME - {"DISCORD_WEBHOOK_"} for page, names in named.items()}
    assert {page: names for page, names in unknown.items() if names} == {}


def test_only_the_configuration_asks_the_environment() -> None:
    asks = {
        shown(path)
        for path in SOURCES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute | ast.Name) and ast.unparse(node) in {"os.environ", "os.getenv", "environ"}
    }
    assert asks == {shown(ASKS)}

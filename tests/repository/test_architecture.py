import re
from pathlib import Path

from tests.repository.sources import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGES = ROOT / "src" / "signalpost"
PARTS = {"rules", "page", "cards"}
"""Folders that the line of their package describes."""


def _drawn() -> set[str]:
    """The packages of the tree, such as delivery/outbox."""
    drawn, parent = set(), ""
    for indent, name in re.findall(r"^( {2}| {4})([a-z]+)/ +\S", PAGE, re.MULTILINE):
        parent = name if len(indent) == 2 else parent
        drawn.add(name if len(indent) == 2 else f"{parent}/{name}")
    return drawn


def test_the_tree_shows_each_package() -> None:
    folders = {path.parent for path in PACKAGES.rglob("*.py")} - {PACKAGES}
    folders = {path for path in folders if not PARTS & {*path.relative_to(PACKAGES).parts}}
    assert _drawn() == {str(path.relative_to(PACKAGES)) for path in folders}


def test_each_package_is_drawn_above_those_it_may_import() -> None:
    layers = re.search(r"^layers = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.MULTILINE | re.DOTALL)
    assert layers is not None
    order = [re.findall(r"\w+", line) for line in layers[1].splitlines()]
    at = {name: number for number, names in enumerate(order) for name in names}
    drawn = [at[name] for name in re.findall(r"^ {2}([a-z]+)/ ", PAGE, re.MULTILINE)]
    assert drawn == sorted(drawn)


def test_each_step_of_the_way_is_in_its_file() -> None:
    steps = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \|", PAGE, re.MULTILINE)
    assert [int(number) for number, _, _ in steps] == [*range(1, len(steps) + 1)]
    for _, functions, files in steps:
        texts = [Path(ROOT / "docs" / file).read_text() for file in re.findall(r"\]\((.+?)\)", files)]
        for function in re.findall(r"`(\w+)`", functions):
            assert all(re.search(rf"def {function}\b", text) for text in texts), (function, files)

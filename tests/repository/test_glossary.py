import inspect
import re
from collections import Counter

import signalpost
from tests.repository.sources import ROOT, classes

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ENTRIES = re.findall(r"^- \*\*(?P<words>[^*]+)\*\*(?: \((?P<classes>[^)]*)\))?:", GLOSSARY, re.MULTILINE)
DOCUMENTED = {name for _, names in ENTRIES for name in re.findall(r"`(\w+)`", names)}
SHARED = re.compile(
    r"signalpost\.(domain|trading|testing|clock|errors|secret|system_clock)(\..+)?|.+\.(port|evidence|commands)"
)
"""Packages whose classes users or other packages use. Private classes need no entry."""


def test_every_public_class_is_in_the_glossary() -> None:
    public = {name for name in signalpost.__all__ if inspect.isclass(getattr(signalpost, name))}
    public |= {name for name, module in classes() if SHARED.fullmatch(module)}
    assert public - DOCUMENTED == set()


def test_every_class_in_the_glossary_exists() -> None:
    assert DOCUMENTED - {name for name, _ in classes()} == set()


def test_the_glossary_defines_each_word_once() -> None:
    words = Counter(word.strip().lower() for words, _ in ENTRIES for word in words.split(","))
    assert [word for word, count in words.items() if count > 1] == []


def test_no_class_stands_under_two_words_of_the_glossary() -> None:
    names = Counter(name for _, names in ENTRIES for name in re.findall(r"`(\w+)`", names))
    assert [name for name, count in names.items() if count > 1] == []


def test_each_line_of_the_glossary_is_an_entry() -> None:
    """So that no entry is passed over because it is written in another way."""
    assert len(ENTRIES) == len(re.findall(r"^- ", GLOSSARY, re.MULTILINE))

import re
from collections import Counter

from tests.house.repository import ROOT, public_classes

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ENTRIES = re.findall(r"^- \*\*(?P<words>[^*]+)\*\*(?: \((?P<classes>[^)]*)\))?:", GLOSSARY, re.MULTILINE)


def test_every_public_class_is_a_word_of_the_glossary() -> None:
    told = {name for _, classes in ENTRIES for name in re.findall(r"`(\w+)`", classes)}
    assert {f"{module}.{name}" for name, module in public_classes() if name not in told} == set()


def test_the_glossary_names_no_class_that_does_not_exist() -> None:
    existing = {name for name, _ in public_classes()}
    assert {name for _, classes in ENTRIES for name in re.findall(r"`(\w+)`", classes)} - existing == set()


def test_the_glossary_defines_each_word_once() -> None:
    words = Counter(word.strip().lower() for words, _ in ENTRIES for word in words.split(","))
    assert [word for word, count in words.items() if count > 1] == []


def test_each_line_of_the_glossary_is_an_entry() -> None:
    """So that no entry is passed over because it is written in another way."""
    assert len(ENTRIES) == len(re.findall(r"^- ", GLOSSARY, re.MULTILINE))

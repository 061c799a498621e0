import inspect
import re
from importlib import import_module

import pytest

from signalpost import errors
from signalpost.sinks import evidence
from tests.repository.sources import SOURCES, module_of

ERRORS = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if each.__module__ == errors.__name__ and issubclass(each, Exception)
]
DRAWN = re.compile(r"^ {4}(?P<depth>[ │]*)(?:[├└]── )?(?P<name>[A-Z]\w+)(?: +(?P<text>.+))?$", re.MULTILINE)


def _drawn() -> dict[str, str | None]:
    """Each error of the drawn tree, and the one that it is drawn under."""
    parents: dict[str, str | None] = {}
    path: list[tuple[int, str]] = []
    for line in DRAWN.finditer(errors.__doc__ or ""):
        column = line.start("name") - line.start()
        while path and path[-1][0] >= column:
            path.pop()
        parents[line["name"]] = path[-1][1] if path else None
        path.append((column, line["name"]))
    return parents


def test_the_tree_drawn_is_the_tree_that_is() -> None:
    is_ = {each.__name__: each.__bases__[0].__name__ if each is not errors.SignalpostError else None for each in ERRORS}
    assert _drawn() == is_


def test_the_tree_says_which_errors_are_also_errors_of_python() -> None:
    also = {line["name"]: re.findall(r"also an? (\w+)", line["text"] or "") for line in DRAWN.finditer(errors.__doc__)}
    assert also == {each.__name__: [base.__name__ for base in each.__bases__[1:]] for each in ERRORS}


@pytest.mark.parametrize("error", ERRORS)
def test_an_errors_docstring_is_one_sentence(error: type[Exception]) -> None:
    doc = error.__dict__.get("__doc__")
    assert doc
    assert re.fullmatch(r"[A-Z][^.!?\n]*\.", doc), doc


def test_each_error_is_defined_in_errors_or_is_evidence() -> None:
    for path in SOURCES:
        if path.stem != "__main__":
            import_module(module_of(path))
    modules = {each.__name__: each.__module__ for each in _below(errors.SignalpostError)}
    elsewhere = {name: module for name, module in modules.items() if module not in {errors.__name__, evidence.__name__}}
    assert {name: module for name, module in elsewhere.items() if module.startswith("signalpost.")} == {}


def test_the_documented_kinds_of_evidence_are_all() -> None:
    documented = re.findall(r"^ {4}(\w+) {2,}\S", evidence.__doc__ or "", re.MULTILINE)
    assert sorted(documented) == sorted(each.__name__ for each in _ours(evidence.Answered))
    assert _ours(errors.Evidence) == [evidence.Answered]


def _ours(kind: type[Exception]) -> list[type[Exception]]:
    """Its direct subclasses, without those of other tests."""
    return [each for each in kind.__subclasses__() if each.__module__.startswith("signalpost.")]


def _below(error: type[Exception]) -> set[type[Exception]]:
    return {each for child in error.__subclasses__() for each in {child, *_below(child)}}

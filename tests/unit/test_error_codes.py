"""Errors have a code and facts for programs, and a text for people."""

import pickle

from signalpost.errors import Fault, InvalidCandleFile, InvalidValue, SignalpostError, StoreUnusable


def test_an_error_has_the_code_of_its_class_unless_given() -> None:
    assert StoreUnusable("the disk is full").code == "store-unusable"
    assert StoreUnusable("the disk is full", code="disk-full").code == "disk-full"
    assert SignalpostError().code == "error"


def test_an_error_has_its_facts() -> None:
    error = InvalidValue("price is -1", code="out-of-range", field="price", value="-1", limit="above 0")
    assert error.field == "price"
    assert [fault.facts() for fault in error.errors] == [
        {"code": "out-of-range", "field": "price", "value": "-1", "limit": "above 0"}
    ]


def test_several_faults_are_one_error_with_a_line_each() -> None:
    faults = (Fault("missing", "pair is missing", "pair"), Fault("not-a-number", "price is 'x'", "price", "'x'"))
    error = InvalidValue.of_all(faults)
    assert error.errors == faults
    assert error.code == "missing"
    assert str(error).splitlines() == ["pair is missing", "price is 'x'"]


def test_a_file_error_has_its_path_line_and_facts() -> None:
    error = InvalidCandleFile("open is 'x'", path="c.csv", line=3, code="not-a-number", field="open")
    assert (error.path, error.line, error.code, error.field) == ("c.csv", 3, "not-a-number", "open")
    assert all(fact in str(error) for fact in ("c.csv", "3", "open is 'x'"))


def test_an_error_survives_a_process_pool() -> None:
    error = pickle.loads(pickle.dumps(InvalidValue("price is -1", code="out-of-range", field="price")))
    assert (error.code, error.field, str(error)) == ("out-of-range", "price", "price is -1")

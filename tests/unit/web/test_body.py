from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.web.body import json_object
from signalpost.web.problem import Problem
from tests.unit.web.tokens import refusal


def test_fractions_are_exact_and_small_whole_numbers_are_whole() -> None:
    read = json_object(b'{"price": 1.10000000000000000000001, "n": 7, "long": 12345678901234567890}')
    assert read == {"price": Decimal("1.10000000000000000000001"), "n": 7, "long": Decimal("12345678901234567890")}


def test_a_byte_order_mark_is_ignored() -> None:
    assert json_object(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_a_bare_nan_counts_as_absent_only_in_a_filled_in_template() -> None:
    assert json_object(b'{"a": NaN, "b": -Infinity}', is_filled_in=True) == {"a": None, "b": None}
    with pytest.raises(Problem, match="NaN") as caught:
        json_object(b'{"a": NaN}')
    (fault,) = caught.value.faults
    assert (caught.value.status, fault.code, fault.value) == (400, "not-a-number", "NaN")


def test_line_ends_and_tabs_within_text_are_read_only_in_a_filled_in_template() -> None:
    raw = b'{"comment": "one\r\n\ttwo\nthree"}'
    assert json_object(raw, is_filled_in=True) == {"comment": "one\r\n\ttwo\nthree"}
    with pytest.raises(Problem) as caught:
        json_object(raw)
    assert (caught.value.status, caught.value.code) == (400, "not-readable")


@pytest.mark.parametrize(
    ("raw", "code", "field"),
    [
        (b"", "not-readable", None),
        (b"BUY EURUSD", "not-readable", None),
        (b"[1]", "not-an-object", None),
        (b"1", "not-an-object", None),
        (b'{"a": "\xff"}', "not-utf-8", None),
        (b'{"a": 1, "a": 2}', "conflict", "a"),
        (b'{"o": {"a": 1, "a": 2}}', "conflict", "a"),
        (b"[" * 1_000_000, "nested-too-deep", None),
        (b'{"a":' * 1_000_000, "nested-too-deep", None),
        (b'{"a": 1', "not-readable", None),
    ],
)
def test_an_unreadable_body_is_400_with_a_code(raw: bytes, code: str, field: str | None) -> None:
    with pytest.raises(Problem) as caught:
        json_object(raw)
    (fault,) = caught.value.faults
    assert (caught.value.status, fault.code, fault.field) == (400, code, field)


def test_numbers_of_any_size_are_read_and_left_to_their_field() -> None:
    read = json_object(b'{"a": 1e99999999999999999999, "b": ' + b"9" * 60_000 + b', "c": 1e400}')
    assert read["a"] == "1e99999999999999999999"
    assert read["b"] == Decimal("9" * 60_000)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    for absent in (True, False):
        problem = refusal(lambda absent=absent: json_object(raw, is_filled_in=absent))  # type: ignore[misc]
        assert problem is None or problem.status == 400

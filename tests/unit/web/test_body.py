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


def test_a_byte_order_mark_is_passed_over() -> None:
    assert json_object(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_a_bare_nan_is_absent_only_where_that_is_asked_for() -> None:
    assert json_object(b'{"a": NaN, "b": -Infinity}', is_filled_in=True) == {"a": None, "b": None}
    with pytest.raises(Problem, match="NaN is no JSON: leave out what is not known"):
        json_object(b'{"a": NaN}')


def test_line_ends_and_tabs_within_text_are_read_only_where_a_template_was_filled_in() -> None:
    raw = b'{"comment": "above\r\n\tthe average\nagain"}'
    assert json_object(raw, is_filled_in=True) == {"comment": "above\r\n\tthe average\nagain"}
    with pytest.raises(Problem, match="Invalid control character"):
        json_object(raw)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "cannot be read"),
        (b"BUY EURUSD", "cannot be read"),
        (b"[1]", "not a JSON object"),
        (b"1", "not a JSON object"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": 1, "a": 2}', "names 'a' twice"),
        (b'{"o": {"a": 1, "a": 2}}', "names 'a' twice"),
        (b"[" * 60_000, "nested too deep"),
        (b'{"a":' * 12_000, "nested too deep"),
        (b'{"a": 1', "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_400_and_says_why(raw: bytes, told: str) -> None:
    with pytest.raises(Problem, match=told) as caught:
        json_object(raw)
    assert caught.value.status == 400


def test_numbers_of_any_size_are_read_and_left_for_their_field_to_refuse() -> None:
    read = json_object(b'{"a": 1e99999999999999999999, "b": ' + b"9" * 60_000 + b', "c": 1e400}')
    assert read["a"] == "1e99999999999999999999"
    assert read["b"] == Decimal("9" * 60_000)


@given(st.binary(max_size=400))
def test_no_bytes_do_more_than_be_refused(raw: bytes) -> None:
    for absent in (True, False):
        problem = refusal(lambda absent=absent: json_object(raw, is_filled_in=absent))  # type: ignore[misc]
        assert problem is None or problem.status == 400

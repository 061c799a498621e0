import json
from typing import Any

import pytest

from signalpost import InvalidSnapshot
from signalpost.trading.indicators.plain_data import part, sealed, unsealed, whole, whole_or_none, wholes

STATE = {"version": 1, "last": None, "atr": {"window": [3, 0, 12], "scaled": "-340282366920938463463"}}


def test_what_was_sealed_comes_out_as_it_was_also_through_json_and_in_another_order() -> None:
    seal = sealed(STATE)
    assert unsealed(seal) == STATE
    assert unsealed(json.loads(json.dumps(seal))) == STATE
    assert unsealed(dict(reversed(seal.items()))) == STATE


loop: dict[str, Any] = {}
loop["self"] = loop


@pytest.mark.parametrize(
    "damage",
    [
        {"checksum": None},
        {"checksum": ""},
        {"version": 2},
        {"version": True},
        {"version": 1.0},
        {"more": 1},
        {"last": 0},
        {"atr": {"window": [3, 0, 13], "scaled": "-340282366920938463463"}},
        {"atr": {"window": [3, 0], "scaled": "-340282366920938463463"}},
        {"atr": {"window": [3, 12, 0], "scaled": "-340282366920938463463"}},
        {"last": {1, 2}},
        {"last": loop},
        {3: "no name"},
    ],
)
def test_anything_else_is_refused(damage: dict[Any, Any]) -> None:
    with pytest.raises(InvalidSnapshot, match="does not match its checksum: rebuild the state from its origin"):
        unsealed({**sealed(STATE), **damage})


def test_a_lost_part_is_missed() -> None:
    seal = sealed(STATE)
    for name in seal:
        with pytest.raises(InvalidSnapshot, match="checksum"):
            unsealed({other: value for other, value in seal.items() if other != name})


def test_a_whole_number_is_read_also_from_text() -> None:
    saved = {"short": -7, "long": "-36893488147419103232", "none": None}
    assert whole(saved, "short") == -7
    assert whole(saved, "long") == -(2**65)
    assert whole_or_none(saved, "none") is None


@pytest.mark.parametrize(
    "value", [None, True, 1.0, "", "-", "--1", "1_0", " 1", "\u0661", "\u00b2", "1e3", "9" * 5_000, [1], {}]
)
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(InvalidSnapshot, match=r"n is .* where a whole number was saved") as told:
        whole({"n": value}, "n")
    assert len(str(told.value)) < 200


def test_what_is_missing_is_not_none() -> None:
    with pytest.raises(InvalidSnapshot, match="n is None where a whole number was saved"):
        whole_or_none({}, "n")


def test_a_list_is_read_as_a_list_of_its_own() -> None:
    saved = {"list": [1, 2]}
    wholes(saved, "list", at_most=2).append(3)
    assert saved == {"list": [1, 2]}
    with pytest.raises(InvalidSnapshot, match="list is not a list of at most 1 whole numbers"):
        wholes(saved, "list", at_most=1)


@pytest.mark.parametrize("value", [None, [], "part", 1])
def test_a_part_is_plain_data_with_names(value: object) -> None:
    assert part({"part": {"a": 1}}, "part") == {"a": 1}
    with pytest.raises(InvalidSnapshot, match="part is missing from the saved state"):
        part({"part": value}, "part")

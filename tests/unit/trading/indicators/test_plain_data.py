import json
import re
from reprlib import repr as short
from typing import Any

import pytest

from signalpost import InvalidSnapshot
from signalpost.trading.indicators.plain_data import part, sealed, unsealed, whole, whole_or_none, wholes
from tests.surface.errors import Facts, facts_of

STATE = {"version": 1, "last": None, "atr": {"window": [3, 0, 12], "scaled": "-340282366920938463463"}}


def test_a_sealed_state_survives_json_and_another_order() -> None:
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
        {3: "unnamed"},
    ],
)
def test_any_change_to_a_sealed_state_is_refused(damage: dict[Any, Any]) -> None:
    with pytest.raises(InvalidSnapshot, match="checksum") as refusal:
        unsealed({**sealed(STATE), **damage})
    assert refusal.value.code == "wrong-checksum"


def test_a_missing_part_is_refused() -> None:
    seal = sealed(STATE)
    for name in seal:
        with pytest.raises(InvalidSnapshot, match="checksum") as refusal:
            unsealed({other: value for other, value in seal.items() if other != name})
        assert refusal.value.code == "wrong-checksum"


def test_a_whole_number_can_be_text() -> None:
    saved = {"short": -7, "long": "-36893488147419103232", "none": None}
    assert whole(saved, "short") == -7
    assert whole(saved, "long") == -(2**65)
    assert whole_or_none(saved, "none") is None


@pytest.mark.parametrize(
    "value", [None, True, 1.0, "", "-", "--1", "1_0", " 1", "\u0661", "\u00b2", "1e3", "9" * 5_000, [1], {}]
)
def test_anything_but_a_whole_number_is_refused(value: object) -> None:
    with pytest.raises(InvalidSnapshot, match=re.escape(short(value))) as refusal:
        whole({"n": value}, "n")
    assert facts_of(refusal.value) == [Facts("not-a-number", "n", short(value))]
    assert len(str(refusal.value)) < 200


def test_a_missing_number_is_not_none() -> None:
    with pytest.raises(InvalidSnapshot, match="None") as refusal:
        whole_or_none({}, "n")
    assert facts_of(refusal.value) == [Facts("not-a-number", "n", "None")]


def test_a_list_is_copied_when_read() -> None:
    saved = {"list": [1, 2]}
    wholes(saved, "list", at_most=2).append(3)
    assert saved == {"list": [1, 2]}
    with pytest.raises(InvalidSnapshot, match="list") as refusal:
        wholes(saved, "list", at_most=1)
    assert facts_of(refusal.value) == [Facts("not-a-list", "list", "[1, 2]", "1")]


@pytest.mark.parametrize("value", [None, [], "part", 1])
def test_a_part_must_be_a_mapping(value: object) -> None:
    assert part({"part": {"a": 1}}, "part") == {"a": 1}
    with pytest.raises(InvalidSnapshot, match="part") as refusal:
        part({"part": value}, "part")
    assert facts_of(refusal.value) == [Facts("missing", "part")]

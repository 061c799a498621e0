import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from signalpost import Candle, InvalidSnapshot, MAUnifiedConfig, MAUnifiedStrategy
from signalpost.trading.indicators.plain_data import sealed, unsealed
from tests.surface.errors import Facts, facts_of

START = datetime(2024, 1, 1, tzinfo=UTC)
KINDS = ("simple", "wilder")


def strategy(candles: int = 0, **other: Any) -> MAUnifiedStrategy:
    settings = {"pair": "EUR_USD", "timeframe": "H4", "fast": 2, "slow": 4, "atr_period": 3}
    made = MAUnifiedStrategy(MAUnifiedConfig(**{**settings, **other}))
    for index in range(candles):
        price = ("1.1", "1.2", "1.1", "1.3")[index % 4]
        made.on_candle(Candle(time=START + index * timedelta(hours=4), open=price, high=price, low=price, close=price))
    return made


def damages(saved: Any) -> Iterator[Any]:
    """Copies of `saved` with one part missing, swapped, or replaced by the next value of its type."""
    if isinstance(saved, dict):
        for name, value in saved.items():
            yield {other: saved[other] for other in saved if other != name}
            yield from ({**saved, name: damaged} for damaged in damages(value))
    elif isinstance(saved, list):
        yield [*saved, 1]
        yield from ([*saved[:index], *saved[index + 1 :]] for index in range(len(saved)))
        for index, value in enumerate(saved):
            yield from ([*saved[:index], damaged, *saved[index + 1 :]] for damaged in damages(value))
    else:
        yield from ("damaged", 1.5, True, [], {}, {1, 2}, START)
        yield 0 if saved is None else None
        if isinstance(saved, int):
            yield from (saved + 1, float(saved), str(saved))
        if isinstance(saved, str):
            yield f"{saved}0"


@pytest.mark.parametrize("candles", [0, 2, 9])
@pytest.mark.parametrize("atr", KINDS)
def test_damage_to_any_part_is_refused_and_changes_nothing(atr: str, candles: int) -> None:
    tried, other = strategy(3, atr=atr), strategy(candles, atr=atr)
    before = tried.snapshot()
    for damaged in damages(other.snapshot()):
        with pytest.raises(InvalidSnapshot, match=r"EUR_USD_H4|checksum|origin") as refusal:
            tried.restore(damaged)
        assert refusal.value.code in {"wrong-checksum", "unknown-version", "other-configuration"}
        assert tried.snapshot() == before


@pytest.mark.parametrize("saved", [None, [], "state", 7, b"{}", {}])
def test_anything_but_a_state_is_refused(saved: Any) -> None:
    with pytest.raises(InvalidSnapshot, match="EUR_USD_H4") as refusal:
        strategy().restore(saved)
    assert refusal.value.code == ("unknown-version" if saved == {} else "not-a-mapping")


@pytest.mark.parametrize(
    "other",
    [
        {"fast": 3},
        {"slow": 5},
        {"atr_period": 4},
        {"atr": "wilder"},
        {"pair": "GBP_USD"},
        {"timeframe": "H1"},
        {"places": 6},
    ],
)
def test_a_state_of_another_stream_or_other_periods_is_refused(other: dict[str, Any]) -> None:
    with pytest.raises(InvalidSnapshot, match="EUR_USD_H4") as refusal:
        strategy().restore(strategy(9, **other).snapshot())
    (fault,) = facts_of(refusal.value)
    assert (fault.code, fault.field, fault.limit) == ("other-configuration", "fingerprint", strategy().fingerprint)
    assert str(fault.value).startswith("'ma-unified")


def test_a_state_survives_a_change_of_unrelated_settings() -> None:
    changed = strategy(sl_mult=1, tp_mult=9, min_atr=1, min_rr=1, confidence=1, key="other", strategy_name="Other")
    changed.restore(strategy(9).snapshot())
    assert changed.snapshot() == strategy(9).snapshot()


def test_a_state_of_another_version_is_refused() -> None:
    newer = sealed({**unsealed(strategy(9).snapshot()), "version": 2})
    with pytest.raises(InvalidSnapshot, match="EUR_USD_H4") as refusal:
        strategy().restore(newer)
    assert facts_of(refusal.value) == [Facts("unknown-version", "version", "2", "1")]


@pytest.mark.parametrize(
    ("forged", "code", "field"),
    [
        ({"last": None}, "conflict", "last"),
        ({"origin": None}, "conflict", "last"),
        ({"origin": "2024-01-01T00:00:00"}, "damaged", None),
        ({"origin": 7}, "damaged", None),
        ({"last": "2023-12-31T20:00:00Z"}, "conflict", "last"),
        ({"fast": {"window": [1, 2, 3]}}, "not-a-list", "window"),
        ({"slow": []}, "missing", "slow"),
        ({"atr": {"true_range": {"last_close": 1}, "mean": {"seed": [1], "scaled": "1"}}}, "conflict", "seed"),
        ({"cross": {"last": 5}}, "out-of-range", "last"),
    ],
)
def test_a_state_that_contradicts_itself_is_refused_even_with_the_right_checksum(
    forged: dict[str, Any], code: str, field: str | None
) -> None:
    tried = strategy(3, atr="wilder")
    before = tried.snapshot()
    with pytest.raises(InvalidSnapshot) as refusal:
        tried.restore(sealed({**unsealed(strategy(9, atr="wilder").snapshot()), **forged}))
    assert (refusal.value.code, refusal.value.field) == (code, field)
    assert tried.snapshot() == before


def test_a_state_without_an_origin_is_refused_even_with_the_right_checksum() -> None:
    state = unsealed(strategy(9).snapshot())
    del state["origin"]
    with pytest.raises(InvalidSnapshot, match="origin") as refusal:
        strategy().restore(sealed(state))
    assert refusal.value.code == "damaged"


@pytest.mark.parametrize("atr", KINDS)
def test_a_state_is_small_plain_data_for_any_json(atr: str) -> None:
    huge = {"pair": "HUGE", "places": 12, "fast": 50, "slow": 200, "atr_period": 14, "atr": atr}
    saved = strategy(300, **huge).snapshot()
    assert json.loads(json.dumps(saved)) == msgspec.json.decode(msgspec.json.encode(saved)) == saved
    assert len(json.dumps(saved)) < 6_000
    restored = strategy(**huge)
    restored.restore(msgspec.json.decode(msgspec.json.encode(saved)))
    assert restored.snapshot() == saved


def test_the_origin_is_the_very_first_candle() -> None:
    saved = strategy(9).snapshot()
    assert (saved["origin"], saved["last"]) == ("2024-01-01T00:00:00Z", "2024-01-02T08:00:00Z")
    assert strategy().snapshot()["origin"] is None

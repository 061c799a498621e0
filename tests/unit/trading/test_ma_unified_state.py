import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from signalpost import Candle, InvalidSnapshot, MAUnifiedConfig, MAUnifiedStrategy
from signalpost.trading.indicators.plain_data import sealed, unsealed

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
    """`saved` with each part in turn lost, exchanged for another, or for the next value of its own type."""
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
def test_no_damage_of_any_part_is_taken_and_none_changes_anything(atr: str, candles: int) -> None:
    tried, other = strategy(3, atr=atr), strategy(candles, atr=atr)
    before = tried.snapshot()
    for damaged in damages(other.snapshot()):
        with pytest.raises(InvalidSnapshot, match=r"EUR_USD_H4|checksum|origin"):
            tried.restore(damaged)
        assert tried.snapshot() == before


@pytest.mark.parametrize("saved", [None, [], "state", 7, b"{}", {}])
def test_what_is_no_state_at_all_is_refused(saved: Any) -> None:
    with pytest.raises(InvalidSnapshot, match="rebuild it from its origin"):
        strategy().restore(saved)


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
    with pytest.raises(InvalidSnapshot, match="the saved state has fingerprint 'ma-unified"):
        strategy().restore(strategy(9, **other).snapshot())


def test_a_state_outlives_a_change_of_what_it_does_not_depend_on() -> None:
    changed = strategy(sl_mult=1, tp_mult=9, min_atr=1, min_rr=1, confidence=1, key="other", strategy_name="Other")
    changed.restore(strategy(9).snapshot())
    assert changed.snapshot() == strategy(9).snapshot()


def test_a_state_of_another_version_is_refused_by_that_name() -> None:
    newer = sealed({**unsealed(strategy(9).snapshot()), "version": 2})
    with pytest.raises(InvalidSnapshot, match="the saved state has version 2 and not 1"):
        strategy().restore(newer)


@pytest.mark.parametrize(
    "forged",
    [
        {"last": None},
        {"origin": None},
        {"origin": "2024-01-01T00:00:00"},
        {"origin": 7},
        {"last": "2023-12-31T20:00:00Z"},
        {"fast": {"window": [1, 2, 3]}},
        {"slow": []},
        {"atr": {"true_range": {"last_close": 1}, "mean": {"seed": [1], "scaled": "1"}}},
        {"cross": {"last": 5}},
    ],
)
def test_a_state_that_contradicts_itself_is_refused_even_where_its_checksum_is_right(forged: dict[str, Any]) -> None:
    tried = strategy(3, atr="wilder")
    before = tried.snapshot()
    with pytest.raises(InvalidSnapshot, match="rebuild the state from its origin"):
        tried.restore(sealed({**unsealed(strategy(9, atr="wilder").snapshot()), **forged}))
    assert tried.snapshot() == before


def test_a_state_without_an_origin_is_refused_even_where_its_checksum_is_right() -> None:
    state = unsealed(strategy(9).snapshot())
    del state["origin"]
    with pytest.raises(InvalidSnapshot, match="origin or last is damaged"):
        strategy().restore(sealed(state))


@pytest.mark.parametrize("atr", KINDS)
def test_a_state_is_small_plain_data_for_any_json(atr: str) -> None:
    huge = {"pair": "HUGE", "places": 12, "fast": 50, "slow": 200, "atr_period": 14, "atr": atr}
    saved = strategy(300, **huge).snapshot()
    assert json.loads(json.dumps(saved)) == msgspec.json.decode(msgspec.json.encode(saved)) == saved
    assert len(json.dumps(saved)) < 6_000
    restored = strategy(**huge)
    restored.restore(msgspec.json.decode(msgspec.json.encode(saved)))
    assert restored.snapshot() == saved


def test_the_origin_is_the_first_candle_of_all() -> None:
    saved = strategy(9).snapshot()
    assert (saved["origin"], saved["last"]) == ("2024-01-01T00:00:00Z", "2024-01-02T08:00:00Z")
    assert strategy().snapshot()["origin"] is None

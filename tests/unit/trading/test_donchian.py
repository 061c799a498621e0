"""The Donchian breakout against its definition, and the checks of its settings and its state."""

from decimal import Decimal
from typing import Any

import pytest

from signalpost import InvalidConfiguration, InvalidSnapshot, Signal
from signalpost.config.strategies import StrategyConfig
from signalpost.trading.indicators.cross import DOWN, NONE, UP
from signalpost.trading.strategies.donchian import DonchianChannel, DonchianConfig, DonchianStrategy
from tests.contracts.conftest import real_candles
from tests.unit.trading.stream_harness import candles


def config(**other: Any) -> DonchianConfig:
    return DonchianConfig(**{"pair": "EUR_USD", "timeframe": "H1", "channel": 2, "atr_period": 1, **other})


def test_the_first_close_beyond_the_range_is_a_signal_and_the_next_one_on_that_side_is_none() -> None:
    channel = DonchianChannel(2)
    closes = (10, 11, 12, 13, 12, 9, 8, 13)
    assert [channel.update(close, close, close) for close in closes] == [
        *(NONE, NONE, UP, NONE, NONE),
        *(DOWN, NONE, UP),
    ]


def test_a_close_at_the_edge_of_the_range_is_no_breakout() -> None:
    channel = DonchianChannel(1)
    assert [channel.update(12, 8, close) for close in (10, 12, 8)] == [NONE, NONE, NONE]
    assert channel.update(14, 8, 13) == UP


@pytest.mark.parametrize("channel", [1, 5, 20])
def test_real_candles_break_out_where_the_definition_says(channel: int) -> None:
    history = real_candles("EUR_USD")[:600]
    strategy = DonchianStrategy(config(timeframe="H4", channel=channel))
    found = {each.time: answer for each in history if isinstance(answer := strategy.on_candle(each), Signal)}
    expected, side = {}, ""
    for number, each in enumerate(history[channel:], start=channel):
        before = history[number - channel : number]
        breaks_up = each.close > max(other.high for other in before)
        breaks_down = each.close < min(other.low for other in before)
        now = "BUY" if breaks_up else "SELL" if breaks_down else side
        if now != side:
            expected[each.time], side = (now, each.close), now
    assert {at: (each.signal_type, each.entry_price) for at, each in found.items()} == expected
    assert len(found) > 10


def test_stop_and_target_are_average_true_ranges_from_the_close() -> None:
    strategy = DonchianStrategy(config(confidence="0.7"))
    answers = [strategy.on_candle(each) for each in candles("1.5", "1.5", "1.51")]
    signal = answers[-1]
    assert isinstance(signal, Signal)
    assert (signal.signal_type, signal.strategy_name, signal.confidence_score) == (
        "BUY",
        "Donchian Breakout",
        Decimal("0.7"),
    )
    assert (str(signal.stop_loss), str(signal.take_profit)) == ("1.488", "1.543")
    assert (signal.fast_ma, strategy.warm_up) == (None, 3)


def test_an_invalid_channel_is_refused() -> None:
    with pytest.raises(InvalidConfiguration) as raised:
        config(channel=0)
    assert (raised.value.code, raised.value.field) == ("out-of-range", "channel")


def test_the_settings_file_makes_it_by_its_kind() -> None:
    table = {"kind": "donchian", "pair": "EUR_USD", "timeframe": "H1", "channel": 2, "atr_period": 1, "feed": "any"}
    made = StrategyConfig.of(table).make()
    assert isinstance(made, DonchianStrategy)
    assert made.config == config()
    with pytest.raises(InvalidConfiguration) as raised:
        StrategyConfig.of({**table, "fast": 10})
    assert [(each.code, each.field) for each in raised.value.errors] == [("unknown-field", "fast")]


@pytest.mark.parametrize("change", [{"highs": [1]}, {"side": 2}, {"lows": "none"}])
def test_a_contradictory_state_is_refused(change: dict[str, Any]) -> None:
    channel = DonchianChannel(2)
    channel.update(12, 8, 10)
    channel.update(12, 8, 10)
    saved = channel.snapshot()
    with pytest.raises(InvalidSnapshot):
        channel.restore({**saved, **change})
    assert channel.snapshot() == saved

"""All entry points share one parser: the same names and values give the same signal, or the same faults."""

from decimal import Decimal
from typing import Any

import pytest

from signalpost import Signal
from tests.unit.ingest.entry_points import ENTRY_POINTS, PLAIN, TIME, by_freqtrade, by_mapping, shared_facts

SPELLED: list[dict[str, Any]] = [
    PLAIN,
    {"symbol": "OANDA:EURUSD", "tf": "60", "action": "long", "entry": 1.16, "timestamp": TIME},
    {"Ticker": "EUR/USD", "Interval": "1h", "Direction": "Buy", "Entry Price": "1.160", "date": TIME},
    {"instrument": "eur_usd", "granularity": "H1", "signal": "bullish", "close": "1.16", "candle_time": TIME},
    {"pair": "EURUSD=X", "timeframe": 60, "signal_type": "BUY", "entryPrice": 1.16, "open_date": TIME},
    {**PLAIN, "close": "1.15", "sl": "1.15", "takeProfit": "1.18", "comment": "at the open"},
    {**PLAIN, "Stop-Loss": 1.15, "TP1": 1.18, "notes": "at the open"},
    {**PLAIN, "order_price": "1.161", "stop": "1.15", "target": "1.18", "message": "at the open"},
    {**PLAIN, "time": 4070908800, "sl": 0, "tp": "0"},
    {**PLAIN, "time": "4070908800000", "stop_loss_price": "1.15", "target_price": "1.18", "confidence": "0.8"},
    {**PLAIN, "ticker": "eur-usd", "symbol": "EUR_USD", "entry": "1.1600", "tf": "1h", "direction": "long"},
    {**PLAIN, "take_profit": ["1.18"], "stop_loss": [], "tp2": None, "tp3": 0, "sl": ""},
]


def test_every_entry_point_reads_the_same_names_into_the_same_signal() -> None:
    for data in SPELLED:
        seen = {name: read(data) for name, read in ENTRY_POINTS.items()}
        assert {name: each.codes for name, each in seen.items() if each.codes} == {}, data
        signals = [shared_facts(each.signal) for each in seen.values()]
        assert all(each == signals[0] for each in signals), data


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"sl": "1.15", "stop": "1.14"}, "stop"),
        ({"ticker": "GBPUSD"}, "ticker"),
        ({"entry": "1.17"}, "entry"),
        ({"tf": "H4"}, "tf"),
        ({"timestamp": "2099-01-01T01:00:00Z"}, "timestamp"),
        ({"tp": "1.18", "TP1": "1.19"}, "TP1"),
        ({"takeProfit": "1.18", "take_profit": "1.19"}, "take_profit"),
    ],
)
def test_two_names_of_one_field_that_differ_are_refused_by_name(wrong: dict[str, Any], name: str) -> None:
    for entry_point, read in ENTRY_POINTS.items():
        assert read({**PLAIN, **wrong}).codes == {name: "conflict"}, entry_point


def test_every_entry_point_reports_all_faults_under_the_names_that_were_sent() -> None:
    wrong = {"Symbol": "?", "TF": "soon", "side": "buy", "Price": "1,16", "time": "yesterday", "SL": "low"}
    codes = {name: read(wrong).codes for name, read in ENTRY_POINTS.items()}
    assert all(set(each) == {"Symbol", "TF", "Price", "time", "SL"} for each in codes.values())
    assert all(each == codes["mapping"] for each in codes.values())


def test_every_entry_point_names_missing_fields() -> None:
    for name, read in ENTRY_POINTS.items():
        codes = read({"side": "buy", "sl": "low"}).codes
        assert set(codes.values()) == {"missing", "not-a-number"}, name
        assert "sl" in codes


def test_a_fault_between_two_fields_is_reported_once_each_is_valid_alone() -> None:
    for name, read in ENTRY_POINTS.items():
        assert set(read({**PLAIN, "sl": "2"}).codes) == {"sl"}, name
        assert set(read({**PLAIN, "price": "x", "sl": "2"}).codes) == {"price"}, name


def test_a_name_is_shown_on_one_line_however_it_was_sent() -> None:
    codes = by_mapping({**PLAIN, "stop\n\x1bloss": "1.15", "s" + "_" * 100 + "l": "low"}).codes
    assert all(len(name) < 70 and name.isprintable() for name in codes)


def test_freqtrade_reads_the_usual_names_too() -> None:
    trade = {"pair": "BTC/USDT:USDT", "direction": "Long", "tf": "5m", "open_rate": "61000", "open_date": TIME}
    signal = by_freqtrade(trade | {"sl": "60000", "tp": "65000"}).signal
    assert signal is not None
    assert (signal.pair, signal.stop_loss, signal.take_profit) == ("BTC_USDT", Decimal(60000), Decimal(65000))
    several = by_freqtrade(trade | {"tp": "65000", "tp2": "66000"}).signal
    assert several is not None
    assert [target.price for target in several.targets] == [65000, 66000]


def test_a_value_that_cannot_be_compared_is_compared_as_text() -> None:
    assert by_mapping({**PLAIN, "atr": "x", "atr_value": "x"}).codes == {"atr": "not-a-number"}
    assert "conflict" in by_mapping({**PLAIN, "atr": "x", "atr_value": "y"}).codes.values()
    assert by_mapping({**PLAIN, "strategy": "A", "strategy_name": "B"}).codes == {"strategy_name": "conflict"}


def test_names_that_are_not_text_are_ignored() -> None:
    assert isinstance(Signal.from_mapping({**PLAIN, 7: "x"}), Signal)  # type: ignore[dict-item]

"""Ids of earlier versions, which detect a signal that was sent both before and after an upgrade."""

import pytest

from signalpost import Alert, Signal
from signalpost.domain.former import former_ids


def made(pair: str, **fields: object) -> Signal:
    return Signal(pair=pair, timeframe="H1", signal_type=1, entry_price=1, timestamp="2025-08-20T01:00:00Z", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pair", "strategy", "former"),
    [
        ("EURUSD", None, "ma-unified:EUR_USD"),
        ("EURUSD", "MA Unified Strategy", None),
        ("EURUSD", "TradingView", None),
        ("BINANCE:BTCUSDT.P", "TradingView", "tradingview:BTCUSDT_P"),
        ("CME_MINI:ES1!", "TradingView", "tradingview:ES1"),
        ("M&M", "TradingView", "tradingview:M_M"),
        ("BTC/USDT:USDT", "TradingView", None),  # it was USDT, and so was ETH/USDT:USDT
        ("币安人生USDT", "TradingView", None),
        ("BINANCE:BTCUSDT/BINANCE:ETHUSDT", "TradingView", None),
    ],
)
def test_a_former_id_follows_the_old_rules_unless_they_lost_letters(
    pair: str, strategy: str | None, former: str | None
) -> None:
    ending = ":H1:BUY:20250820T010000Z"
    signal = made(pair, strategy_name=strategy)
    assert former_ids(signal) == (() if former is None else (former + ending,))
    hooked = signal.but(signal_id=f"chart:{signal.signal_id}")
    assert former_ids(hooked) == (() if former is None else (f"chart:{former}{ending}",))


def test_only_signals_with_derived_ids_have_former_ones() -> None:
    assert former_ids(made("EURUSD", signal_id="mine")) == ()
    assert former_ids(Alert(alert_type="feed", severity="low", title="x")) == ()

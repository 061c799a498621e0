"""Prices as markets quote them: with more decimals than a rule expects, tiny, zero and negative; 0 for no stop.

The marked tests come from public bug reports and exchanges' documentation.
"""

from decimal import Decimal
from typing import Any

import pytest

from signalpost import Signal, SignalStatus
from signalpost.domain.notification import Notification
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.tier import UserTier
from signalpost.errors import InvalidValue
from signalpost.sinks.discord.cards.look import Look
from signalpost.sinks.discord.message import message
from signalpost.sinks.port import Item

OPENED = "2025-08-20T01:00:00Z"


def made(pair: str, entry: object, **fields: Any) -> Signal:
    """A signal; a failed test, with the reason, if it is refused."""
    given = {"signal_type": "BUY", **fields}
    try:
        return Signal(pair=pair, timeframe="H1", entry_price=entry, timestamp=OPENED, **given)  # type: ignore[arg-type]
    except InvalidValue as fault:
        pytest.fail(str(fault))


def shown(signal: Signal, event: str = "new") -> dict[str, str]:
    """The prices in the table of its card, by label."""
    sent = Notification(
        id="1",
        payload=signal,
        event=event,
        priority=NotificationPriority.NORMAL,
        user_tier=UserTier.FREE,
        accepted_at=signal.known_at,
        valid_until=signal.valid_until,
    )
    body = message([Item(sent)], Look(), signal.known_at) or {}
    rows = [row.split() for row in body["embeds"][0]["description"].split("```")[1].strip().splitlines()]
    return {label: price for label, price, *_ in rows}


@pytest.mark.parametrize(
    ("pair", "entry", "stop", "target"),
    [
        ("CL1!", "-37.63", "-40", "-30"),
        ("NYMEX:CL1!", "-37.63", "-40.5", "10.01"),
        ("NG1!", "-0.05", "-0.1", "0.2"),
        ("WTICO_USD", "-13.1", "-16.74", "-9.12"),
        ("EPEX:DE-LU", "-500", "-550.25", "-100"),
        ("SOFR-EFFR", "-0.02", "-0.04", "0.01"),
        ("DE10Y", "-0.854", "-0.9", "-0.7"),
        ("NYMEX:CL1!-ICEEUR:BRN1!", "-4.2", "-5", "-3.1"),
        ("BINANCE:BTCUSDT-BYBIT:BTCUSDT", "-12.5", "-20", "5"),
        ("EURIBOR3M", "-0.5", "-0.6", "0.4"),
    ],
)
def test_an_instrument_that_can_have_them_has_negative_prices(pair: str, entry: str, stop: str, target: str) -> None:
    signal = made(pair, entry, stop_loss=stop, take_profit=target)
    fields = shown(signal)
    assert [Decimal(fields[name]) for name in ("Entry", "SL", "TP1")] == [
        Decimal(each) for each in (entry, stop, target)
    ]
    assert signal.risk == Decimal(entry) - Decimal(stop)
    assert signal.should_stop_loss is False
    worse = signal.at_price(Decimal(stop) - 1)
    assert (worse.should_stop_loss, worse.is_profitable) == (True, False)


@pytest.mark.parametrize("entry", ["0", "-0", "0.00", 0.0, -0.0, "-0.00"])
def test_a_price_of_zero_is_shown_without_a_sign(entry: object) -> None:
    signal = made("SR3!", entry, stop_loss="-0.25", take_profit="0.5")
    assert shown(signal)["Entry"] in {"0", "0.0", "0.00"}
    assert signal.risk_reward_ratio == 2


@pytest.mark.parametrize(
    "pair",
    ["EURUSD", "XAUUSD", "BTCUSDT", "BINANCE:BTCUSDT.P", "BTC/USDT:USDT", "ETH_USD", "ETH/BTC", "SOL/USDC:USDC-260327"],
)
def test_currencies_metals_and_coins_have_only_prices_above_zero(pair: str) -> None:
    for name in ("entry_price", "current_price"):
        with pytest.raises(InvalidValue) as refusal:
            Signal(
                **{"pair": pair, "timeframe": "H1", "signal_type": 1, "entry_price": 1, "timestamp": OPENED, name: -1}
            )
        assert [(fault.code, fault.field) for fault in refusal.value.errors] == [("out-of-range", name)]
    signal = made(pair, 1)
    with pytest.raises(InvalidValue):
        signal.at_price(0)


@pytest.mark.parametrize(
    ("pair", "entry", "stop"),
    [
        ("XAUUSD", "2412.535", "2402.535"),
        ("XAU_EUR", "2850.125", "2849.0055"),
        ("OANDA:XAGUSD", "32.12345", "31.9"),
        ("XAGUSD", "32.123", "31.98765"),
        ("EURUSD", "1.163445", "1.16"),
        ("USDJPY", "147.12345", "147.1"),
        ("XPTUSD", "981.105", "975.2551234"),
        ("BTCUSDT", "61000", "60500.5"),
        ("US30", "34440", "34200.25"),
        ("XAUUSD", 2412.535, 2402.535),
    ],
)
def test_no_price_loses_decimals_when_shown(pair: str, entry: Any, stop: Any) -> None:
    fields = shown(made(pair, entry, stop_loss=stop))
    assert (Decimal(fields["Entry"]), Decimal(fields["SL"])) == (Decimal(str(entry)), Decimal(str(stop)))


def test_the_price_of_an_update_is_shown_with_its_own_decimals() -> None:
    closed = made("XAUUSD", "2400").at_price("2412.5355").but(status=SignalStatus.CLOSED)
    assert shown(closed, "closed")["Exit"] == "2412.5355"


def test_rounding_errors_of_floats_are_not_shown() -> None:
    fields = shown(made("EURUSD", 0.1 + 0.2, stop_loss=0.1 + 0.2 - 0.01))
    assert (fields["Entry"], fields["SL"]) == ("0.30000", "0.29000")
    assert shown(made("BTC_XYZ", 0.1 + 0.2))["Entry"] == "0.3"
    assert shown(made("BTC_XYZ", 1 / 3))["Entry"] == "0.333333333"


def test_a_strategys_stop_is_rounded_to_its_price_places() -> None:
    signal = made("EURUSD", "1.16344", stop_loss="1.162205", price_places=5)
    assert shown(signal)["SL"] == "1.16220"


@pytest.mark.parametrize(
    ("pair", "price"),
    [
        ("BABYDOGEWBNB", "0.00000000000023"),
        ("BABYDOGE/USDT", "2.3e-13"),
        ("PEPE/USDT:USDT", "0.0000000000001"),
        ("SHIBBTC", "1e-14"),
        ("SATSUSDT", "0.00000000000000075"),
        ("X/WETH", "1.5e-20"),
        ("LUNCUSDT", 6.1e-13),
        ("BTTCUSDT", "0.0000000000004567"),
        ("NANO_ETH", "9e-30"),
        ("EURUSD", "0.000000000000023"),
    ],
)
def test_a_tiny_price_is_never_shown_as_zero(pair: str, price: Any) -> None:
    signal = made(pair, price)
    assert Decimal(shown(signal)["Entry"]) == Decimal(str(price))
    assert "E" not in shown(signal)["Entry"].upper()


def test_a_tiny_stop_is_not_shown_as_zero_either() -> None:
    signal = made("XYZ", "1.5", stop_loss="0.0000001", price_places=2)
    assert signal.price_text(signal.stop_loss) == "0.0000001"  # type: ignore[arg-type]
    assert signal.price_text(Decimal(0)) == "0.00"


@pytest.mark.parametrize("nothing", [0, "0", 0.0, "0.0", "0.00000", Decimal(0), "-0", "0e5", " 0 ", "+0"])
def test_a_stop_or_target_of_zero_counts_as_none(nothing: Any) -> None:
    signal = made("EURUSD", "1.1634", stop_loss=nothing, take_profit=nothing)
    assert (signal.stop_loss, signal.take_profit, signal.risk_reward_ratio) == (None, None, None)
    assert not {"SL", "TP1"} & shown(signal).keys()
    try:
        read = Signal.from_mapping(
            {
                "symbol": "EURUSD",
                "tf": "H1",
                "side": "buy",
                "price": 1.1634,
                "time": OPENED,
                "sl": nothing,
                "tp": nothing,
            }
        )
    except InvalidValue as fault:
        pytest.fail(str(fault))
    assert (read.stop_loss, read.take_profit) == (None, None)


def test_zero_counts_as_none_for_stop_and_target_only() -> None:
    for name in ("entry_price", "current_price", "position_size"):
        with pytest.raises(InvalidValue) as refusal:
            Signal(
                **{
                    "pair": "EURUSD",
                    "timeframe": "H1",
                    "signal_type": 1,
                    "entry_price": 1,
                    "timestamp": OPENED,
                    name: 0,
                }
            )
        assert (refusal.value.code, refusal.value.field) == ("out-of-range", name)

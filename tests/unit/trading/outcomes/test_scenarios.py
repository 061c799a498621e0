"""Whole lives, with the figures that a subscriber would compute by hand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from signalpost.domain.candle import Candle
from signalpost.domain.change import Close, CloseReason, Fill, Flag, Update
from signalpost.domain.life import after
from signalpost.domain.timeframe import Timeframe
from signalpost.domain.trade import Filled, Result, Trade, TradeState, Verdict, result_of
from signalpost.trading.outcomes import QuoteCandle, reverses
from tests.unit.trading.outcomes.lives import Life, at, begun, lived, mid, signal, trade

H4 = Timeframe("H4")


def result(of: Trade) -> Result:
    found = result_of(of)
    assert found is not None
    return found


def shown(number: Decimal | None, places: str) -> Decimal:
    assert number is not None
    return number.quantize(Decimal(places))


def test_two_targets_and_then_the_stop_are_a_win() -> None:
    new = trade("SELL", "1.3367", "1.3405", "1.3337", "1.3307", "1.3257")
    life = lived(
        new,
        [
            mid(0, "1.3367", "1.3370", "1.3350", "1.3355"),
            mid(1, "1.3355", "1.3360", "1.3330", "1.3340"),
            mid(2, "1.3340", "1.3345", "1.3300", "1.3320"),
            mid(3, "1.3320", "1.3410", "1.3310", "1.3400"),
        ],
    )
    assert [type(change) for change in life.changes[:3]] == [Fill, Update, Update]
    assert (life.trade.hits, life.trade.state) == (2, TradeState.CLOSED)
    assert life.trade.end is not None
    assert (life.trade.end.reason, life.trade.end.price) == (CloseReason.STOP, Decimal("1.3405"))
    assert shown(result(life.trade).pips, "0.1") == Decimal("17.3")
    assert shown(result(life.trade).r, "0.01") == Decimal("0.46")
    assert result(life.trade).verdict is Verdict.WIN
    assert life.trade.flags == (Flag.MID_PRICES,)


def test_only_an_opposite_signal_of_the_same_strategy_reverses_at_its_fill() -> None:
    old = trade("BUY", "1.1000", "1.0950", strategy_name="A", timeframe="H1")
    life = begun(old).take(mid(0, "1.1000", "1.1010", "1.0990", "1.0995"))
    foreign = signal("SELL", "1.0980", strategy_name="B", timeframe="H1")
    own = signal("SELL", "1.0980", strategy_name="A", timeframe="H1")
    assert not reverses(foreign, life.trade)
    assert reverses(own, life.trade)
    life = life.take(mid(1, "1.0980", "1.0985", "1.0900", "1.0910"), reversal=Filled(Decimal("1.0980"), at(1)))
    assert life.trade.end is not None
    assert (life.trade.end.reason, life.trade.end.price) == (CloseReason.REVERSED, Decimal("1.0980"))
    assert life.trade.end.at == at(1)
    assert result(life.trade).pips == Decimal(-20)
    assert result(life.trade).r == Decimal("-0.4")
    assert Flag.REPORTED not in life.trade.flags


FRIDAY, SUNDAY = datetime(2024, 11, 1, 17, tzinfo=UTC), datetime(2024, 11, 3, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("side", "stop", "target", "price", "pips", "r", "is_gap"),
    [
        ("SELL", "1.08700", "1.08000", "1.08819", "-29.5", "-1.68", True),
        ("BUY", "1.08200", "1.08700", "1.08700", "17.6", "0.54", False),
    ],
)
def test_a_weekend_gap_fills_a_stop_at_the_open_and_a_target_at_its_price(
    side: str, stop: str, target: str, price: str, pips: str, r: str, is_gap: bool
) -> None:
    """EUR_USD opened on a Sunday beyond both levels. The first candle is Friday's last one."""
    known = {"timeframe": "H4", "timestamp": FRIDAY - timedelta(hours=4), "known_at": FRIDAY, "created_at": FRIDAY}
    new = trade(side, "1.08526", stop, target, **known)
    friday = Candle(time=FRIDAY, open="1.08524", high="1.08524", low="1.08524", close="1.08524")
    sunday = Candle(time=SUNDAY, open="1.08819", high="1.08819", low="1.08819", close="1.08819")
    life = begun(new, by_strategy=True)
    for candle in (friday, sunday):
        life = life.take(QuoteCandle.of_mid(candle, H4))
    assert life.trade.fill == Filled(Decimal("1.08524"), FRIDAY)
    assert life.trade.end is not None
    assert (life.trade.end.price, life.trade.end.at) == (Decimal(price), SUNDAY)
    assert shown(result(life.trade).pips, "0.1") == Decimal(pips)
    assert shown(result(life.trade).r, "0.01") == Decimal(r)
    assert (Flag.GAPPED in life.trade.flags) is is_gap


def closed(pair: str, side: str, entry: str, stop: str, target: str | None, last: str) -> Life:
    new = trade(side, entry, stop, *([target] if target else []), pair=pair)
    return lived(new, [mid(0, entry, entry, entry, entry), mid(1, last, last, last, last)])


@pytest.mark.parametrize(
    ("pair", "side", "entry", "stop", "target", "amount", "unit", "r"),
    [
        ("XAU_USD", "BUY", "2350", "2340", "2362", "12", "USD", "1.2"),
        ("USD_JPY", "SELL", "150.000", "150.500", "149.250", "75", "pips", "1.5"),
        ("BTC_USDT", "BUY", "60000", "58800", "61500", "2.5", "%", "1.25"),
    ],
)
def test_a_target_pays_in_the_unit_of_its_class(
    pair: str, side: str, entry: str, stop: str, target: str, amount: str, unit: str, r: str
) -> None:
    found = result(closed(pair, side, entry, stop, target, target).trade)
    assert (found.distance.amount, found.distance.unit, found.r) == (Decimal(amount), unit, Decimal(r))


def test_leverage_does_not_change_a_result() -> None:
    new = trade("BUY", "60000", "58800", "61500", pair="BTC_USDT", leverage=20)
    quotes = [mid(0, *["60000"] * 4), mid(1, *["61500"] * 4)]
    assert (result(lived(new, quotes).trade).percent, result(lived(new, quotes).trade).r) == (
        Decimal("2.5"),
        Decimal("1.25"),
    )


def test_a_stock_that_opens_beyond_its_stop_loses_more_than_its_risk() -> None:
    life = closed("AAPL", "SELL", "200", "204", None, "205")
    assert (result(life.trade).percent, result(life.trade).r) == (Decimal("-2.5"), Decimal("-1.25"))
    assert Flag.GAPPED in life.trade.flags


def test_an_index_closed_by_hand_is_counted_in_points() -> None:
    life = begun(trade("BUY", "18000", "17900", pair="NAS100")).take(mid(0, *["18000"] * 4))
    done = after(life.trade, Close(price=17950), at(2))
    found = result(done)
    assert (found.distance.amount, found.distance.unit, found.r) == (Decimal(-50), "points", Decimal("-0.5"))
    assert Flag.REPORTED in done.flags

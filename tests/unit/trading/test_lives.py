"""The trades of one strategy, followed together."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signalpost.domain.candle import Candle
from signalpost.domain.change import Close, CloseReason, Fill, Flag, Reopen, Update
from signalpost.domain.instrument import Instrument
from signalpost.domain.life import after, opened
from signalpost.domain.signal import Signal
from signalpost.domain.tier import UserTier
from signalpost.domain.timeframe import Timeframe
from signalpost.domain.trade import Trade, TradeState, result_of
from signalpost.trading.feeds.bundled import bundled_candles
from signalpost.trading.lives import Life, Lives, advance, lived
from signalpost.trading.outcomes import QuoteCandle, begin
from signalpost.trading.replay import replay
from signalpost.trading.strategies.ma_unified import MAUnifiedStrategy
from signalpost.trading.strategies_file import bundled_strategies
from tests.size import size
from tests.trade_ends import ends
from tests.unit.trading.outcomes.lives import START

H1 = Timeframe("H1")
HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)


def bar(number: int, first: str = "100", high: str = "101", low: str = "99", last: str = "100") -> Candle:
    return Candle(time=START + number * HOUR, open=first, high=high, low=low, close=last)


def signal(side: str, number: int, distance: int = 5) -> Signal:
    """A signal of candle `number`, with stop and target at this distance."""
    reward = distance if side == "BUY" else -distance
    return Signal(
        pair="XAU_USD",
        timeframe="H1",
        signal_type=side,
        timestamp=START + number * HOUR,
        entry_price=100,
        stop_loss=100 - reward,
        take_profit=100 + reward,
        strategy_name="cross",
    )


def ended(*signals: Signal, **bars: Candle) -> list[str]:
    """How the signals ended over ten quiet bars, except those given by their number."""
    candles = [bars.get(f"bar{number}", bar(number)) for number in range(10)]
    return [str(trade.end and (trade.end.reason or trade.end.text)) for trade in lived(signals, candles, H1)]


def test_a_newer_trade_reverses_every_older_opposite_one_at_its_fill() -> None:
    """Also one with another trade of its own side in between, as after a cross that was filtered."""
    assert ended(signal("SELL", 0), signal("SELL", 2), signal("BUY", 4)) == ["reversed", "reversed", "None"]
    first, _, last = lived(
        [signal("SELL", 0), signal("SELL", 2), signal("BUY", 4)], [*map(bar, range(5)), bar(5, "100.5")], H1
    )
    assert last.fill is not None
    assert first.end is not None
    assert (first.end.price, first.end.at) == (last.fill.price, last.fill.at) == (Decimal("100.5"), START + 5 * HOUR)


def test_a_trade_that_was_never_filled_reverses_nothing() -> None:
    gap = bar(3, "105", "106", "104", "105")
    older, newer = signal("BUY", 0, distance=20), signal("SELL", 2)
    assert ended(older, newer, bar3=gap) == ["None", "gapped past SL before entry"]
    assert ended(older, newer) == ["reversed", "None"]


def test_signals_are_followed_from_the_candle_after_their_own() -> None:
    wild = bar(1, "100", "106", "94", "100")
    assert ended(signal("BUY", 1), bar1=wild) == ["None"]
    assert ended(signal("BUY", 0), bar1=wild) == ["stop"]


def test_a_signal_of_the_last_candle_stays_as_it_was_opened() -> None:
    (trade,) = lived([signal("BUY", 9)], map(bar, range(10)), H1)
    assert (trade.state, trade.version, trade.fill) == (TradeState.OPEN, 1, None)


def test_trades_that_ended_are_not_followed_any_more() -> None:
    lives = Lives(H1)
    lives.add(opened(signal("BUY", 0), 1, (UserTier.FREE,), START + HOUR))
    seen = []
    for candle in (bar(1), bar(2, low="90"), bar(3, low="90")):
        for life, change in lives.changes(candle):
            life.trade = after(life.trade, change, candle.time + HOUR)
            seen.append((type(change).__name__, life.trade.state.value))
    assert seen == [("Fill", "open"), ("Close", "closed")]


def test_a_fill_reverses_only_in_its_own_candle() -> None:
    """Even if the first reversal was refused."""
    lives = Lives(H1)
    for number, side in enumerate(("SELL", "BUY")):
        lives.add(opened(signal(side, 2 * number), number, (UserTier.FREE,), START + HOUR))
    seen = []
    for candle in map(bar, range(1, 6)):
        for life, change in lives.changes(candle):
            seen.append((life.trade.number, type(change)))
            if isinstance(change, Fill):
                life.trade = after(life.trade, change, candle.time + HOUR)
    assert seen == [(0, Fill), (1, Fill), (0, Close)]


def followed(*trades: Trade) -> list[Life]:
    return [Life(trade, begin(trade, H1, by_strategy=True)) for trade in trades]


def test_several_candles_change_trades_as_one_after_the_other_does() -> None:
    signals = [signal("BUY", 0), signal("SELL", 2)]
    candles = [bar(1), bar(2), bar(3), bar(4, low="94"), bar(5)]
    lives = followed(*(opened(each, number, (UserTier.FREE,), START) for number, each in enumerate(signals, 1)))
    done = advance(lives, [QuoteCandle.of_mid(each, H1) for each in candles], START + 9 * HOUR)
    first, second = (life.trade.signal.signal_id for life in lives)
    assert [(name, type(change)) for name, change in done.changes] == [
        (first, Fill),
        (second, Fill),
        (first, Close),
        (second, Update),
    ]
    assert not done.refused
    ends = [trade.end and (trade.end.reason, trade.end.price, trade.end.at) for trade in lived(signals, candles, H1)]
    assert [life.trade.end and (life.trade.end.reason, life.trade.end.price, life.trade.end.at) for life in lives] == (
        ends
    )
    assert {life.state.since for life in lives} == {START + 3 * HOUR + MICROSECOND, START + 4 * HOUR + MICROSECOND}


def test_a_change_that_a_trade_refuses_is_reported_and_the_next_candle_counts() -> None:
    (life,) = followed(opened(signal("BUY", 0), 1, (UserTier.FREE,), START))
    quotes = [QuoteCandle.of_mid(each, H1) for each in (bar(1), bar(2, low="90"))]
    early = advance([life], quotes[:1], START)  # by this clock, the candle lies in the future
    assert ([name for name, _ in early.refused], early.changes) == ([life.trade.signal.signal_id], [])
    late = advance([life], quotes[1:], START + 9 * HOUR)
    assert [type(change) for _, change in late.changes] == [Fill, Close]


def test_a_fill_by_a_person_reverses_an_older_trade_in_the_candle_in_which_it_lies() -> None:
    older, newer = (
        opened(signal(side, number), number + 1, (UserTier.FREE,), START + HOUR)
        for number, side in enumerate(("SELL", "BUY"))
    )
    older = after(older, Fill(price=100, at=START + HOUR, from_feed=True), START + 9 * HOUR)
    at = START + 3 * HOUR + HOUR / 2
    lives = followed(older, after(newer, Fill(price="100.5", at=at), at))
    for number, expected in ((2, None), (3, at), (4, at)):
        advance(lives, [QuoteCandle.of_mid(bar(number), H1)], START + 9 * HOUR)
        assert (lives[0].trade.end and lives[0].trade.end.at) == expected
    assert lives[0].trade.end is not None
    assert (lives[0].trade.end.reason, lives[0].trade.end.price) == (CloseReason.REVERSED, Decimal("100.5"))


def by_quotes(lives: list[Life], *numbers: int) -> None:
    advance(lives, [QuoteCandle.of_mid(bar(number), H1) for number in numbers], START + 99 * HOUR)


@pytest.mark.parametrize("order", ["market", "limit"])
def test_a_signal_that_becomes_known_after_its_candle_was_taken_reverses_an_older_trade(order: str) -> None:
    """The card of the newer one has already said `Closes #1 first`."""
    waiting = signal("BUY", 0).but(order=order, entry_price="98" if order == "limit" else "100")
    (older,) = lives = followed(opened(waiting, 1, (UserTier.FREE,), START + HOUR))
    by_quotes(lives, 1, 2, 3, 4)
    lives += followed(opened(signal("SELL", 2), 2, (UserTier.FREE,), START + 5 * HOUR))
    by_quotes(lives, 3, 4, 5)
    end, newer = older.trade.end, lives[1].trade
    assert end is not None
    assert newer.fill is not None
    assert end.at == newer.fill.at == START + 3 * HOUR
    reversed_at = (CloseReason.REVERSED, newer.fill.price) if order == "market" else (None, None)
    assert (end.reason, end.price) == reversed_at
    assert older.state.since == START + 4 * HOUR + MICROSECOND


def test_a_signal_that_becomes_known_late_leaves_a_trade_that_was_entered_after_its_fill() -> None:
    lives = followed(opened(signal("BUY", 4), 1, (UserTier.FREE,), START + 5 * HOUR))
    by_quotes(lives, 5)
    lives += followed(opened(signal("SELL", 2), 2, (UserTier.FREE,), START + 6 * HOUR))
    by_quotes(lives, 3, 4, 5, 6)
    assert [life.trade.end for life in lives] == [None, None]


def test_a_reversal_that_a_person_has_undone_does_not_come_back_with_an_older_candle() -> None:
    sides = ((0, "BUY"), (2, "SELL"))
    lives = followed(*(opened(signal(side, at), 1 + at, (UserTier.FREE,), START) for at, side in sides))
    by_quotes(lives, 1, 2, 3, 4)
    lives[0].trade = after(lives[0].trade, Reopen(), START + 5 * HOUR)
    other = signal("BUY", 2).but(signal_id="other")
    lives += followed(opened(other, 9, (UserTier.FREE,), START + 5 * HOUR))
    by_quotes(lives, 3, 4, 5)
    assert lives[0].trade.state.is_live


def test_trades_are_numbered_and_marked_as_followed_by_mid_prices() -> None:
    trades = lived([signal("BUY", 0), signal("SELL", 3)], map(bar, range(10)), H1)
    assert [trade.number for trade in trades] == [1, 2]
    assert all(Flag.MID_PRICES in trade.flags for trade in trades)
    assert isinstance(trades[1].last_change, Fill)


@pytest.mark.unmeasured
@settings(max_examples=size(20, 200))
@given(st.integers(0, 2_000), st.integers(5, 40), st.integers(45, 120))
def test_the_ends_are_those_of_an_independent_computation(first: int, fast: int, slow: int) -> None:
    candles = bundled_candles(Instrument("GBP_JPY"))[first : first + 600]
    (config,) = (each.config for each in bundled_strategies() if each.config.key == "GBP_JPY_H4")
    fields = {name: getattr(config, name) for name in ("pair", "timeframe", "key")}
    signals = replay(MAUnifiedStrategy(type(config)(**fields, fast=fast, slow=slow)), candles).signals
    for trade, expected in zip(lived(signals, candles, config.timeframe), ends(signals, candles), strict=True):
        result = result_of(trade)
        assert (None if result is None else result.exact_r) == (expected.r if expected.price is not None else None)
        reason = None if trade.end is None else trade.end.reason
        assert reason == (CloseReason(expected.how) if expected.price is not None else None)

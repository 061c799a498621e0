"""Follows a trade candle by candle, and computes what each candle changes. Pure and exact.

A candle does not show the order of its prices, so in doubt the worse result counts:
docs/why/0033-following-by-candles.md.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import takewhile
from typing import NamedTuple, Self

from signalpost.domain.candle import Candle
from signalpost.domain.change import CancelOrder, Change, Close, CloseReason, ExpireOrder, Fill, Flag, Update
from signalpost.domain.identity import BY_HAND
from signalpost.domain.instant import iso
from signalpost.domain.order import OrderKind
from signalpost.domain.side import SignalType
from signalpost.domain.signal import Signal
from signalpost.domain.timeframe import Timeframe
from signalpost.domain.trade import Filled, FollowState, Trade, TradeState
from signalpost.errors import InvalidValue

REVERSED = "reversed"
"""The reason for cancelling an order after an opposite signal."""
_NEXT = timedelta(microseconds=1)


class QuoteCandle(NamedTuple):
    """A closed candle with both sides of the quote. `of_mid` and `of_sides` make one."""

    bid: Candle
    ask: Candle
    closes_at: datetime
    is_mid: bool
    """Whether both sides are the same mid prices, because the feed has no others."""

    @classmethod
    def of_mid(cls, candle: Candle, timeframe: Timeframe) -> Self:
        """A candle of mid prices."""
        return cls(candle, candle, candle.time + timeframe.duration, is_mid=True)

    @classmethod
    def of_sides(cls, bid: Candle, ask: Candle, timeframe: Timeframe) -> Self:
        """A candle of bid and ask. Raises InvalidValue if they open at different times."""
        if bid.time != ask.time:
            text = (
                f"the bid candle opens at {iso(bid.time)}, but the ask candle at {iso(ask.time)}: use a matching pair"
            )
            raise InvalidValue(text, code="conflict", field="ask", value=iso(ask.time), limit=iso(bid.time))
        return cls(bid, ask, bid.time + timeframe.duration, is_mid=False)

    @property
    def time(self) -> datetime:
        """When it opened."""
        return self.bid.time


class Followed(NamedTuple):
    """The effect of a candle on a trade."""

    changes: tuple[Change, ...]
    """In the order in which `life.after` applies them."""
    state: FollowState
    """For the next candle."""


def begin(trade: Trade, timeframe: Timeframe, *, by_strategy: bool) -> FollowState:
    """The state in which `trade` waits for its first candle, of `timeframe`.

    A signal of a strategy (`by_strategy`) counts from the close of its candle, any other from the first candle that
    opens after it was accepted. If the fill is known, the first candle is the one in which it lies. Candles that opened
    before the last change of the stop or the targets do not count.
    """
    if trade.fill is not None:
        since = trade.fill.at - timeframe.duration + _NEXT
    elif by_strategy:
        since = trade.signal.known_at
    else:
        since = max(trade.opened_at + _NEXT, trade.signal.known_at)
    return _levels(trade, since if trade.levels_at is None else max(since, trade.levels_at))


def follow(trade: Trade, state: FollowState, candle: QuoteCandle, reversal: Filled | None = None) -> Followed:
    """Follow a trade through one candle. Pass each candle once, oldest first; an earlier one does not change the state.

    `reversal` is the fill, in this candle, of an opposite signal for which `reverses` is true: follow that signal's
    trade first. If that signal became known late, the candle is an earlier one; the reversal still ends the trade.
    """
    if not trade.state.is_live:
        return Followed((), state)
    if candle.time < state.since:
        return Followed(tuple(_reversed_late(trade, candle, reversal)), state)
    changes = tuple(_changes(_Passage.of(trade, state, candle), reversal))
    since = candle.time + _NEXT
    if trade.levels_at is not None and trade.levels_at >= candle.closes_at:
        return Followed(changes, state.but(since=since))
    return Followed(changes, _levels(trade, since))


def reverses(signal: Signal, trade: Trade) -> bool:
    """True if `signal` ends `trade`: it is opposite and of the same strategy, pair and timeframe.

    Signals by hand have no strategy, so they end no trade.
    """
    old = trade.signal
    return (
        trade.state.is_live
        and signal.strategy_name not in {None, BY_HAND}
        and signal.strategy_name == old.strategy_name
        and signal.pair == old.pair
        and signal.timeframe == old.timeframe
        and signal.signal_type is not old.signal_type
    )


def _levels(trade: Trade, since: datetime) -> FollowState:
    return FollowState(since=since, stop=trade.stop, targets=tuple(target.price for target in trade.targets))


def _reversed_late(trade: Trade, candle: QuoteCandle, reversal: Filled | None) -> Iterator[Change]:
    """The end of a trade by a reversal in an earlier candle. A trade that was entered after the reversal stays open."""
    if reversal is None or reversal.at < (trade.signal.known_at if trade.fill is None else trade.fill.at):
        return
    if trade.state is TradeState.PENDING:
        yield CancelOrder(reason=REVERSED, at=reversal.at, from_feed=True)
    elif trade.fill is not None:
        flags = (Flag.MID_PRICES,) if candle.is_mid else ()
        at = max(reversal.at, trade.last_at)
        yield Close(price=reversal.price, reason=CloseReason.REVERSED, at=at, from_feed=True, flags=flags)


class _Heights(NamedTuple):
    """The prices of one side of a candle; negated for a SELL, so that up is profit for both."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


class _Span(NamedTuple):
    """The part of a candle in which a trade was open, as heights."""

    open: Decimal | None
    """None if it was not open yet when the candle opened."""
    high: Decimal
    low: Decimal
    counts_targets: bool = True


class _Passage(NamedTuple):
    """A candle and a trade, as heights, with the levels that were in force when the candle opened."""

    trade: Trade
    candle: QuoteCandle
    entry: _Heights
    exit: _Heights
    stop: Decimal | None
    first_stop: Decimal | None
    """The stop that defines the R of a market order, even if another stop is in force."""
    targets: Sequence[tuple[int, Decimal]]
    """The number and height of each target that is not hit yet, nearest first."""
    new_stop: Decimal | None
    """A stop that was set while the candle formed."""

    @classmethod
    def of(cls, trade: Trade, state: FollowState, candle: QuoteCandle) -> Self:
        side, set_at = trade.signal.signal_type, trade.levels_at
        ahead = [(number, target.price) for number, target in enumerate(trade.targets, 1) if number > trade.hits]
        stop, new_stop = trade.stop, None
        if set_at is not None and set_at > candle.time:
            stop = state.stop
            ahead = list(takewhile(lambda each: (each[1],) == state.targets[each[0] - 1 : each[0]], ahead))
            new_stop = trade.stop if set_at < candle.closes_at else None
        entry, exit_ = (candle.ask, candle.bid) if side is SignalType.BUY else (candle.bid, candle.ask)
        return cls(
            trade,
            candle,
            _heights(entry, side),
            _heights(exit_, side),
            None if stop is None else _height(stop, side),
            None if trade.first_stop is None or trade.state is TradeState.PENDING else _height(trade.first_stop, side),
            [(number, _height(price, side)) for number, price in ahead],
            None if new_stop is None else _height(new_stop, side),
        )

    @property
    def flags(self) -> tuple[Flag, ...]:
        """The flags of each price that becomes part of the record."""
        return (Flag.MID_PRICES,) if self.candle.is_mid else ()

    def price(self, height: Decimal) -> Decimal:
        """The price at `height`."""
        return _height(height, self.trade.signal.signal_type)

    def when(self, *, is_open: bool) -> datetime:
        """When something happened: at the open, or at an unknown time, which counts as the close.

        It is never before the last change, such as a part that a person closed while the candle formed.
        """
        return max(self.candle.time if is_open else self.candle.closes_at, self.trade.last_at)

    def fill(self, level: Decimal, *, is_open: bool, is_gap: bool = False) -> Fill:
        """The fill at a height."""
        flags = (*self.flags, Flag.GAPPED) if is_gap else self.flags
        return Fill(price=self.price(level), at=self.when(is_open=is_open), from_feed=True, flags=flags)

    def close(self, height: Decimal, reason: CloseReason, at: datetime, *flags: Flag) -> Close:
        """The close of the open part, at a height."""
        return Close(price=self.price(height), reason=reason, at=at, from_feed=True, flags=(*self.flags, *flags))


def _changes(passage: _Passage, reversal: Filled | None) -> Iterator[Change]:
    fill = passage.trade.fill
    if fill is None and not passage.trade.parts:
        change = _entered(passage, reversal)
        if change is not None:
            yield change
        if not isinstance(change, Fill):
            return
        span = _span_after_entry(passage)
    elif passage.trade.entered_at < passage.candle.closes_at:
        span = _span_of_open(passage)
    else:
        return
    yield from _exits(passage, span, reversal)


def _entered(passage: _Passage, reversal: Filled | None) -> Change | None:
    trade, candle = passage.trade, passage.candle
    if trade.state is TradeState.PENDING:
        until = trade.signal.good_until
        if until is not None and candle.time >= until:
            return ExpireOrder(at=until, from_feed=True)
        if reversal is not None:
            return CancelOrder(reason=REVERSED, at=reversal.at, from_feed=True)
    if (level := _gapped(passage)) is not None:
        reason = f"gapped past {level} before entry"
        return CancelOrder(reason=reason, at=candle.time, from_feed=True, flags=(Flag.GAPPED,))
    if trade.state is TradeState.OPEN:
        return passage.fill(passage.entry.open, is_open=True)
    return _order_filled(passage)


def _gapped(passage: _Passage) -> str | None:
    """The level at or beyond which the candle opened, on either side of the quote."""
    opens = (passage.entry.open, passage.exit.open)
    if any(min(opens) <= stop for stop in (passage.stop, passage.first_stop) if stop is not None):
        return "SL"
    for number, height in passage.targets[:1]:
        if max(opens) >= height:
            return f"TP{number}"
    return None


def _order_filled(passage: _Passage) -> Fill | None:
    entry, signal = passage.entry, passage.trade.signal
    level = _height(signal.entry_price, signal.signal_type)
    if signal.order is OrderKind.LIMIT:
        return passage.fill(level, is_open=entry.open <= level) if entry.low <= level else None
    if entry.high < level:
        return None
    return passage.fill(max(level, entry.open), is_open=entry.open >= level, is_gap=entry.open > level)


def _span_after_entry(passage: _Passage) -> _Span:
    """The span after an entry in this candle.

    After the fill of a limit order only the stop counts, because a target may have been touched before the fill.
    """
    order, seen = passage.trade.signal.order, passage.exit
    opened = seen.open if order is OrderKind.MARKET else None
    return _Span(opened, seen.high, seen.low, counts_targets=order is not OrderKind.LIMIT)


def _span_of_open(passage: _Passage) -> _Span:
    """The span of a trade that was open already. If it was filled while the candle formed, only the stop counts.

    For a limit or stop order, any touch of the stop counts. A market order's stop may have been touched before the
    fill, so it counts only if the candle closed beyond it.
    """
    seen, trade = passage.exit, passage.trade
    if trade.entered_at <= passage.candle.time:
        return _Span(seen.open, seen.high, seen.low)
    low = seen.close if trade.signal.order is OrderKind.MARKET else seen.low
    return _Span(None, seen.high, low, counts_targets=False)


def _exits(passage: _Passage, span: _Span, reversal: Filled | None) -> Iterator[Change]:
    if reversal is not None:
        span = _span_until(reversal, passage, span)
    touched = [(number, height) for number, height in passage.targets if span.high >= height]
    if passage.stop is not None and span.low <= passage.stop:
        yield _stopped(passage, passage.stop, span, is_both=bool(touched))
        return
    hits = touched if span.counts_targets else []
    at = passage.when(is_open=True)
    for number, height in hits:
        at = passage.when(is_open=span.open is not None and span.open >= height)
        yield Update(target_hit=number, at=at, from_feed=True, flags=passage.flags)
    if sum(passage.trade.shares[: len(hits)], Fraction(0)) == passage.trade.open_share:
        return
    if reversal is not None:
        height = _height(reversal.price, passage.trade.signal.signal_type)
        yield passage.close(height, CloseReason.REVERSED, max(reversal.at, at))
    elif passage.new_stop is not None and passage.exit.close <= passage.new_stop:
        yield passage.close(passage.exit.close, CloseReason.STOP, passage.when(is_open=False))


def _span_until(reversal: Filled, passage: _Passage, span: _Span) -> _Span:
    """The span until a reversal: the open alone if the reversal is then, else everything up to the reversal's price."""
    if reversal.at <= passage.candle.time and span.open is not None:
        return _Span(span.open, span.open, span.open)
    return span._replace(high=min(span.high, _height(reversal.price, passage.trade.signal.signal_type)))


def _stopped(passage: _Passage, stop: Decimal, span: _Span, *, is_both: bool) -> Close:
    """The close at the stop, or at the open if that is worse."""
    height = stop if span.open is None else min(stop, span.open)
    flags = [Flag.GAPPED] if height < stop else []
    if is_both:
        flags.append(Flag.BOTH_TOUCHED)
    at = passage.when(is_open=span.open is not None and span.open <= stop)
    return passage.close(height, CloseReason.STOP, at, *flags)


def _heights(candle: Candle, side: SignalType) -> _Heights:
    if side is SignalType.BUY:
        return _Heights(candle.open, candle.high, candle.low, candle.close)
    open_, high, low, close = (price.copy_negate() for price in (candle.open, candle.low, candle.high, candle.close))
    return _Heights(open_, high, low, close)


def _height(price: Decimal, side: SignalType) -> Decimal:
    """A price as a height, or a height as a price, without rounding."""
    return price if side is SignalType.BUY else price.copy_negate()

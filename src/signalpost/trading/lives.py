"""Follows the trades of one strategy together, because the fill of a newer one may end an older one. Pure."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

from signalpost.domain.candle import Candle
from signalpost.domain.change import Change, NotePrice
from signalpost.domain.exact import product, total
from signalpost.domain.life import after, opened
from signalpost.domain.price_step import PriceStep
from signalpost.domain.side import SignalType
from signalpost.domain.signal import Signal
from signalpost.domain.tier import UserTier
from signalpost.domain.timeframe import Timeframe
from signalpost.domain.trade import FollowState, Trade, TradeState
from signalpost.errors import NotPossible
from signalpost.trading.outcomes import QuoteCandle, begin, follow, reverses


class Life:
    """A trade that is followed, and what the follower remembers of it."""

    __slots__ = ("state", "trade")

    def __init__(self, trade: Trade, state: FollowState) -> None:
        self.trade = trade
        self.state = state


class Lives:
    """The live trades of one strategy, followed by candles of its own timeframe, of mid prices."""

    def __init__(self, timeframe: Timeframe) -> None:
        self._timeframe = timeframe
        self._lives: list[Life] = []

    def add(self, trade: Trade) -> None:
        """Follow the trade of a new signal, from the next candle on."""
        self._lives.append(Life(trade, begin(trade, self._timeframe, by_strategy=True)))

    def changes(self, candle: Candle) -> Iterator[tuple[Life, Change]]:
        """The changes that the next candle causes, the newest trade first.

        Apply each change, and set the life's `trade` to the result, before you ask for the next one.
        """
        yield from changes_in(QuoteCandle.of_mid(candle, self._timeframe), self._lives)
        self._lives = [life for life in self._lives if life.trade.state.is_live]


class Advance(NamedTuple):
    """The effect of candles on the trades that they follow."""

    changes: list[tuple[str, Change]]
    """With the id of the signal, in the order in which they apply."""
    refused: list[tuple[str, NotPossible]]
    """With the id of the signal, and why its trade does not allow the change."""


def advance(
    lives: Sequence[Life], candles: Iterable[QuoteCandle], now: datetime, step: PriceStep | None = None
) -> Advance:
    """Apply the next candles to trades, oldest trade first. Each life then has its new trade and state.

    Without a `step`, there are no price notes.
    """
    done = Advance([], [])
    for candle in candles:
        awaiting = [life for life in lives if candle.time >= life.state.since]
        for life, change in changes_in(candle, lives):
            _apply(change, life, done, now)
        for life in awaiting:
            if (note := price_note(life.trade, candle, step)) is not None:
                _apply(note, life, done, now)
    return done


def _apply(change: Change, life: Life, done: Advance, now: datetime) -> None:
    name = life.trade.signal.signal_id
    try:
        changed = after(life.trade, change, now)
    except NotPossible as fault:
        done.refused.append((name, fault))
        return
    if changed is not life.trade:
        life.trade = changed
        done.changes.append((name, change))


def changes_in(candle: QuoteCandle, lives: Sequence[Life]) -> Iterator[tuple[Life, Change]]:
    """The changes that a candle causes, as in `Lives.changes`; `lives` are oldest first."""
    filled: list[Trade] = []
    for life in reversed(lives):
        fills = (newer.fill for newer in filled if reverses(newer.signal, life.trade))
        is_known = _is_filled_before(candle, life.trade) or candle.time < life.state.since
        changes, life.state = follow(life.trade, life.state, candle, next(fills, None))
        for change in changes:
            yield life, change
        if not is_known and life.trade.fill is not None:
            filled.append(life.trade)


def _is_filled_before(candle: QuoteCandle, trade: Trade) -> bool:
    """Whether a trade has a fill from outside this candle: an earlier one, or one that a person reported since."""
    return trade.fill is not None and not candle.time <= trade.fill.at < candle.closes_at


def price_note(trade: Trade, candle: QuoteCandle, step: PriceStep | None) -> NotePrice | None:
    """The note that the close of a candle causes; None if there is none, or if the step has no size for this trade.

    Levels lie a step apart, counted from the entry. A note is due when a candle closes at or beyond a level other than
    that of the last note. So a price that swings around a level causes one note, and the next one is a whole step away.
    """
    if trade.state is not TradeState.OPEN or trade.fill is None or trade.fill.at >= candle.closes_at:
        return None
    if step is None or (size := step.size(trade)) is None:
        return None
    is_long = trade.signal.signal_type is SignalType.BUY
    price = (candle.bid if is_long else candle.ask).close
    last = trade.entry if trade.price_note is None else trade.price_note.level
    number = _next_level(Fraction(trade.gain(last)) / Fraction(size), Fraction(trade.gain(price)) / Fraction(size))
    if number is None:
        return None
    level = total((trade.entry, product(size, Decimal(trade.signal.signal_type.sign * number))))
    at = max(candle.closes_at, trade.last_at)  # a person may have closed a part since
    return NotePrice(level=level, price=price, at=at, from_feed=True)


def _next_level(last: Fraction, now: Fraction) -> int | None:
    """The number of the level that was reached since the last one; None if that is still the nearest one passed."""
    if now >= floor(last) + 1:
        return floor(now)
    return ceil(now) if now <= ceil(last) - 1 else None


def lived(signals: Iterable[Signal], candles: Iterable[Candle], timeframe: Timeframe) -> list[Trade]:
    """The trades of a strategy's signals after its last candle. Signals, candles and the result are oldest first."""
    waiting, trades, lives = deque(signals), dict[str, Trade](), Lives(timeframe)
    for candle in candles:
        closes_at = candle.time + timeframe.duration
        for life, change in lives.changes(candle):
            life.trade = trades[life.trade.signal.signal_id] = after(life.trade, change, closes_at)
        while waiting and waiting[0].known_at <= closes_at:
            trade = opened(waiting.popleft(), len(trades) + 1, (UserTier.FREE,), closes_at)
            trades[trade.signal.signal_id] = trade
            lives.add(trade)
    return list(trades.values())

"""Decides when the price of a followed trade has moved far enough for a note. Pure and exact.

Levels lie a step apart, counted from the entry. A note is due when a candle closes at or beyond another level than that
of the last note. So a price that swings around a level causes one note, and the next one is a whole step away.
"""

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from signalpost.domain.change import NotePrice
from signalpost.domain.exact import product, total
from signalpost.domain.price_step import PriceStep
from signalpost.domain.side import SignalType
from signalpost.domain.trade import Trade, TradeState
from signalpost.trading.outcomes import QuoteCandle


def price_note(trade: Trade, candle: QuoteCandle, step: PriceStep | None) -> NotePrice | None:
    """The note that the close of a candle causes; None if there is none. Feed each candle once, oldest first.

    There are no notes without a `step`, or if the step has no size for this trade.
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

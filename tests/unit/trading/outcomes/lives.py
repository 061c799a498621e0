"""Makes trades and candles, and lives them through: what the follower says is applied at once."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from signalpost.domain.candle import Candle
from signalpost.domain.change import Change
from signalpost.domain.life import after, opened
from signalpost.domain.signal import Signal
from signalpost.domain.tier import UserTier
from signalpost.domain.timeframe import Timeframe
from signalpost.domain.trade import Filled, FollowState, Trade
from signalpost.trading.outcomes import QuoteCandle, begin, follow

MINUTE = timedelta(minutes=1)
M1 = Timeframe("M1")
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""When the signal was known and accepted; the first candle opens a minute later."""
Prices = tuple[str, str, str, str]
"""Open, high, low and close."""


def at(minutes: float) -> datetime:
    """The open of a candle: number 0 is the first that counts."""
    return START + (minutes + 1) * MINUTE


def signal(side: str, entry: str, stop: str | None = None, *targets: object, **fields: object) -> Signal:
    plan = {"pair": "EUR_USD", "timeframe": "M1", "timestamp": START - MINUTE, "known_at": START, "created_at": START}
    levels = {"signal_type": side, "entry_price": entry, "stop_loss": stop, "targets": targets}
    return Signal(**{**plan, **levels, **fields})  # type: ignore[arg-type]


def trade(side: str, entry: str, stop: str | None = None, *targets: object, **fields: object) -> Trade:
    return opened(signal(side, entry, stop, *targets, **fields), 1, (UserTier.FREE,), START)


def candle(number: float, prices: Iterable[object]) -> Candle:
    first, high, low, last = (Decimal(str(price)) for price in prices)
    return Candle(time=at(number), open=first, high=high, low=low, close=last)


def mid(number: float, *prices: object) -> QuoteCandle:
    return QuoteCandle.of_mid(candle(number, prices), M1)


def sides(number: float, bid: Iterable[object], ask: Iterable[object]) -> QuoteCandle:
    return QuoteCandle.of_sides(candle(number, bid), candle(number, ask), M1)


class Life(NamedTuple):
    """A trade as it is now, with all that the follower said."""

    trade: Trade
    state: FollowState
    changes: tuple[Change, ...] = ()

    def take(self, quotes: QuoteCandle, reversal: Filled | None = None) -> "Life":
        followed = follow(self.trade, self.state, quotes, reversal)
        now = self.trade
        for change in followed.changes:
            now = after(now, change, quotes.closes_at)
        return Life(now, followed.state, self.changes + followed.changes)

    def change(self, change: Change, minutes: float) -> "Life":
        """After a change by a person."""
        return self._replace(trade=after(self.trade, change, at(minutes)))


def begun(new: Trade, *, by_strategy: bool = False) -> Life:
    return Life(new, begin(new, M1, by_strategy=by_strategy))


def lived(new: Trade, quotes: Iterable[QuoteCandle], changes: Mapping[int, Change] | None = None) -> Life:
    """The life of a trade; each of `changes` is made in the middle of the candle with that number."""
    life = begun(new)
    for number, each in enumerate(quotes):
        if changes and number in changes and life.trade.state.is_live:
            life = life.change(changes[number], number + 0.5)
        life = life.take(each)
    return life

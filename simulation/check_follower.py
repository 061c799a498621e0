"""Each trade of a strategy ends as its candles say, whenever the follower got them, and its cards show that.

The rules of docs/why/0033-following-by-candles.md for market orders with one target are applied by hand to all candles
at once: the stop comes first, a gap never helps, and the fill of an opposite signal ends the older trade at its price.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from math import inf
from typing import NamedTuple

from signalpost.delivery.outbox.book import BookEntry
from simulation.candles import Series, Settled
from simulation.reader import NEW
from simulation.run import Run


class End(NamedTuple):
    """How a trade ended."""

    at: datetime
    word: str
    """As in the title of its card."""
    price: Decimal | None
    """None if it was never filled."""


@dataclass(slots=True)
class Followed:
    """A trade, as its candles change it."""

    number: int
    is_long: bool
    known_at: datetime
    stop: Decimal
    target: Decimal
    fill: Decimal | None = None
    end: End | None = None

    @property
    def title(self) -> str:
        """The state that its card must show."""
        if self.end is None:
            return NEW
        if self.end.price is None or self.fill is None:
            return self.end.word
        gain = self._up(self.end.price) - self._up(self.fill)
        r = Fraction(gain) / abs(Fraction(self.fill) - Fraction(self.stop))
        cents = int(abs(r) * 100 + Fraction(1, 2))
        sign = "" if cents == 0 else "+" if r > 0 else "-"
        return f"{self.end.word} {sign}{cents // 100}.{cents % 100:02}R"

    def take(self, settled: Settled, reversal: Decimal | None) -> bool:
        """Follow it by its next candle. True if this fills it. `reversal` is the fill of a newer opposite signal."""
        candle = settled.candle
        if self.end is not None or candle.time < self.known_at:
            return False
        opens, low, high = self._up(candle.open), self._up(candle.low), self._up(candle.high)
        low, high = min(low, high), max(low, high)
        stop, target = self._up(self.stop), self._up(self.target)
        is_fill = self.fill is None
        if is_fill:
            if not stop < opens < target:
                self.end = End(candle.time, "CANCELLED", None)
                return False
            self.fill = candle.open
        if opens <= stop:
            self.end = End(candle.time, "STOPPED", candle.open)
        elif opens >= target:
            self.end = End(candle.time, "CLOSED", self.target)
        elif reversal is not None:
            self.end = End(candle.time, "REVERSED", reversal)
        elif low <= stop:
            self.end = End(settled.closes, "STOPPED", self.stop)
        elif high >= target:
            self.end = End(settled.closes, "CLOSED", self.target)
        return is_fill

    def _up(self, price: Decimal) -> Decimal:
        """The price, or its negative for a short trade: up is profit for both."""
        return price if self.is_long else price.copy_negate()


def followed(run: Run, series: Series, posted: Sequence[BookEntry]) -> Mapping[int, Followed]:
    """All trades of a stream by number, after its last candle. A signal does not reverse a trade that ended before."""
    trades = {entry.trade.signal.signal_id: _trade(series, entry) for entry in posted}
    opened_by, ended_by = run.recorder.opened_by, run.recorder.ended
    oldest_first = sorted(trades.items(), key=lambda each: each[1].known_at)
    for settled in series.settled:
        fills: list[tuple[str, Followed]] = []
        for name, trade in reversed(oldest_first):
            reversals = (
                each.fill for newer, each in fills
                if each.is_long is not trade.is_long and ended_by.get(name, inf) > opened_by[newer]
            )  # fmt: skip
            if trade.take(settled, next(reversals, None)):
                fills.append((name, trade))
    return {each.number: each for each in trades.values()}


def _trade(series: Series, entry: BookEntry) -> Followed:
    signal = entry.trade.signal
    closed, _ = series.slots[signal.timestamp]
    is_long = str(signal.signal_type) == "BUY"
    return Followed(
        entry.trade.number, is_long, closed, signal.stop_loss or Decimal(0), signal.take_profit or Decimal(0)
    )


def findings(series: Series, posted: Sequence[BookEntry], trades: Mapping[int, Followed]) -> Iterator[str]:
    """Every trade that the book has otherwise."""
    for entry in posted:
        trade, wanted = entry.trade, trades[entry.trade.number]
        name = f"#{trade.number}, {series.config.key}"
        fill = None if trade.fill is None else trade.fill.price
        if fill != wanted.fill:
            yield f"ADR 33: {name} is filled at {fill}, not {wanted.fill}"
        end = None if trade.end is None else trade.end.at
        if end != (wanted.end and wanted.end.at):
            yield f"ADR 33: {name} ended at {end} ({trade.end and trade.end.reason}), and must be {wanted.end}"

"""Past candles that appear as the clock reaches them: for the demo, the simulation and tests."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from signalpost import clock
from signalpost.domain.candle import Candle
from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import FeedFailed
from signalpost.trading.calendar import Calendar
from signalpost.trading.feeds.bundled import TIMEFRAME, bundled_candles, bundled_days, bundled_pairs
from signalpost.trading.feeds.port import Fetched, visible, was_closed
from signalpost.trading.outcomes import QuoteCandle


class ReplayFeed:
    """A feed of candles in memory. By the clock, a candle is forming from its open until its close, and then closed."""

    def __init__(
        self,
        *,
        name: str,
        calendar: Calendar,
        candles: Mapping[tuple[Instrument, Timeframe], Sequence[Candle]] | None = None,
    ) -> None:
        """`candles` are oldest first, each once. The default is the bundled candles, H4 and D."""
        self.name, self.calendar = name, calendar
        self._candles = candles
        self._is_closed = False

    async def fetch(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime | None = None, limit: int = 500
    ) -> Fetched:
        """The candles that have closed by the clock. Raises FeedFailed for a stream that the feed does not have."""
        if self._is_closed:
            raise was_closed(self.name)
        candles = self._of(pair, timeframe)
        return visible(candles, self.calendar, timeframe, clock.now(), since=since, limit=limit)

    async def quotes(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime, limit: int = 500
    ) -> tuple[QuoteCandle, ...]:
        """The same candles, as mid prices."""
        fetched = await self.fetch(pair, timeframe, since=since, limit=limit)
        return fetched.mid_quotes(self.calendar, timeframe)

    async def close(self) -> None:
        """Free the candles."""
        self._candles, self._is_closed = {}, True

    def _of(self, pair: Instrument, timeframe: Timeframe) -> Sequence[Candle]:
        if self._candles is None and pair in bundled_pairs() and timeframe in BUNDLED_TIMEFRAMES:
            return bundled_candles(pair) if timeframe == TIMEFRAME else bundled_days(pair).candles
        if self._candles is not None and (pair, timeframe) in self._candles:
            return self._candles[pair, timeframe]
        known = [f"{pair} {timeframe}" for pair, timeframe in self._known()]
        text = f"the feed {self.name} has no candles of {pair} {timeframe}: use one of {', '.join(known)}"
        raise FeedFailed(text, code="not-found", field="pair", value=f"{pair} {timeframe}", limit=", ".join(known))

    def _known(self) -> Sequence[tuple[Instrument, Timeframe]]:
        if self._candles is not None:
            return list(self._candles)
        return [(pair, timeframe) for pair in bundled_pairs() for timeframe in BUNDLED_TIMEFRAMES]


BUNDLED_TIMEFRAMES = (TIMEFRAME, Timeframe("D"))

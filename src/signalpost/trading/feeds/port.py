"""The protocol of feeds: they answer with closed candles."""

from datetime import datetime
from typing import NamedTuple, Protocol

from signalpost.domain.candle import Candle
from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.trading.calendar import Calendar
from signalpost.trading.outcomes import QuoteCandle


class Fetched(NamedTuple):
    """A feed's answer."""

    candles: tuple[Candle, ...]
    """Closed ones only, oldest first, each once."""
    forming: datetime | None = None
    """The open of the candle that is still forming, if the feed shows it. Then earlier ones are in, or were empty."""
    is_more: bool = False
    """True if the feed cut the answer: fetch again, from the last candle on."""


class Feed(Protocol):
    """A source of candles for many pairs and timeframes. Belongs to one event loop."""

    name: str
    """As configured. Part of a stream's fingerprint, because feeds differ in grid and prices."""
    calendar: Calendar

    async def fetch(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime | None = None, limit: int = 500
    ) -> Fetched:
        """The oldest `limit` candles that opened at `since` or later; without `since`, the newest `limit`.

        Raises FeedFailed if there is no usable answer. The feed itself does not retry.
        """
        ...

    async def quotes(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime, limit: int = 500
    ) -> tuple[QuoteCandle, ...]:
        """The same candles with both sides of the quote, or of mid prices if the feed has no others."""
        ...

    async def close(self) -> None:
        """Free what it holds. Nothing can be fetched afterwards."""
        ...

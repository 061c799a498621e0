"""A feed of made candles that answers only while its gate, a file, does not exist."""

import asyncio
from datetime import datetime
from pathlib import Path

from signalpost import Signal, clock
from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.trading.calendar import Calendar
from signalpost.trading.feeds.port import Fetched
from signalpost.trading.outcomes import QuoteCandle
from tests.candles_before import candles_until


class GatedFeed:
    def __init__(self, *, name: str, calendar: Calendar, gate: str) -> None:
        self.name, self.calendar = name, calendar
        self._gate = Path(gate)

    async def fetch(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime | None = None, limit: int = 500
    ) -> Fetched:
        while self._gate.exists():
            await asyncio.sleep(0.02)
        opened = timeframe.candle_open(clock.now()) - timeframe.duration
        last = Signal(pair=pair, timeframe=timeframe, signal_type="BUY", entry_price="1.1", timestamp=opened)
        return Fetched(candles_until(last))

    async def quotes(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime, limit: int = 500
    ) -> tuple[QuoteCandle, ...]:
        return ()

    async def close(self) -> None: ...

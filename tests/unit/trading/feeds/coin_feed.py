"""A feed of coins from an exchange on loopback, and the candles of these tests."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from unittest.mock import patch

import pytest

from signalpost.domain.candle import Candle
from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import FeedFailed
from signalpost.trading.calendar import ALWAYS
from signalpost.trading.feeds.bundled import bundled_candles
from signalpost.trading.feeds.exchange import ExchangeFeed
from signalpost.trading.feeds.port import Fetched
from tests.exchange_server import ExchangeServer
from tests.oanda_server import on_slots

PAIR, M1, MINUTE = Instrument("BTC_USDT"), Timeframe("M1"), timedelta(minutes=1)
FIRST = datetime(2026, 3, 1, 10, tzinfo=UTC)
SERIES = on_slots(bundled_candles(Instrument("EUR_USD"))[:900], "M1", FIRST)
CANDLES = tuple(SERIES[:40])
RUNNING = CANDLES[-1]
GRACE = timedelta(seconds=2)


def served(candles: Sequence[Candle], now: Callable[[], datetime], **options: Any) -> ExchangeServer:
    return ExchangeServer({("BTC_USDT", "M1"): candles}, now=now, **options)


@contextmanager
def library(name: str, prepare: Callable[[Any], object] = bool) -> Iterator[list[Any]]:
    """Collects the library's objects for an exchange. They are not limited, so that the tests are fast."""
    exchanges = import_module("ccxt.async_support")
    make, found = getattr(exchanges, name), list[Any]()

    def made(options: dict[str, Any]) -> Any:
        assert options["enableRateLimit"]
        exchange = make({**options, "enableRateLimit": False})
        exchange.timeout_on_exit = 0
        exchange.verify = False  # reading certificates takes 0.1 s, and the server has none
        prepare(exchange)
        found.append(exchange)
        return exchange

    with patch.object(exchanges, name, made):
        yield found


@asynccontextmanager
async def feed(
    server: ExchangeServer, name: str = "binance", prepare: Callable[[Any], object] = bool
) -> AsyncIterator[ExchangeFeed]:
    """A feed whose object of the library is prepared."""
    source = ExchangeFeed(name="coins", calendar=ALWAYS, exchange=name, url=server.url)
    with library(name, prepare):
        try:
            yield source
        finally:
            await source.close()


async def fetched(
    server: ExchangeServer, since: datetime | None = None, limit: int = 500, name: str = "binance"
) -> Fetched:
    async with feed(server, name) as source:
        return await source.fetch(PAIR, M1, since=since, limit=limit)


async def failure(server: ExchangeServer, since: datetime | None = None, name: str = "binance") -> FeedFailed:
    with pytest.raises(FeedFailed) as caught:
        await fetched(server, since, name=name)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value


def paths(server: ExchangeServer) -> list[str]:
    return [request.path.rpartition("/")[2] for request in server.requests]

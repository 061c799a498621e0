"""The failures of exchanges, and how pairs, exchanges and URLs are named."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import FeedFailed, InvalidConfiguration
from signalpost.secret import Secret, described
from signalpost.testing.manual_clock import ManualClock
from signalpost.trading.calendar import ALWAYS
from signalpost.trading.feeds import exchange
from signalpost.trading.feeds.exchange import ExchangeFeed
from tests.exchange_server import ExchangeServer
from tests.loopback_server import Fault
from tests.unit.trading.feeds.coin_feed import CANDLES, FIRST, M1, MINUTE, PAIR, feed, library, paths
from tests.until import until

UNREADABLE = '[[1772359200000, "1", "2", "1", null, "5"]]'


@pytest.mark.parametrize(
    ("fault", "code", "wait"),
    [
        (Fault(401), "unauthorized", None),
        (Fault(404), "unavailable", None),
        (Fault(418), "throttled", None),
        (Fault(429), "throttled", None),
        (Fault(429, headers={"retry-AFTER": "7"}), "throttled", 7.0),
        (Fault(500, headers={"Retry-After": "7"}), "unavailable", None),
        (Fault(503), "unavailable", None),
        (Fault(is_cut=True), "unavailable", None),
        (Fault(400, '{"code": -1121, "msg": "Invalid symbol."}'), "unknown-instrument", None),
        (Fault(400, '{"code": -1102, "msg": "A parameter was missing."}'), "rejected", None),
        (Fault(body="<html>"), "bad-answer", None),
        (Fault(body='{"a": 1}'), "bad-answer", None),
        (Fault(body="[[1]]"), "bad-answer", None),
        (Fault(body=UNREADABLE), "bad-answer", None),
    ],
    ids=str,
)
async def test_each_failure_has_a_code(server: ExchangeServer, fault: Fault, code: str, wait: float | None) -> None:
    async with feed(server) as source:
        await source.fetch(PAIR, M1)
        server.faults.append(fault)
        with pytest.raises(FeedFailed) as caught:
            await source.fetch(PAIR, M1)
        assert (caught.value.code, caught.value.retry_after) == (code, wait), str(caught.value)
        assert (await source.fetch(PAIR, M1)).candles == CANDLES[:-1], "and then it works again"


async def test_a_secret_that_an_answer_quotes_is_masked(server: ExchangeServer) -> None:
    secret = Secret("hunter2-hunter2")
    async with feed(server) as source:
        await source.fetch(PAIR, M1)
        server.faults.append(Fault(400, f'{{"code": -1102, "msg": "{secret.reveal()} is missing"}}'))
        with pytest.raises(FeedFailed) as caught:
            await source.fetch(PAIR, M1)
    assert secret.reveal() not in described(caught.value)


async def test_a_price_loses_only_the_noise_of_binary_computation(server: ExchangeServer, clock: ManualClock) -> None:
    rows = "[[1772359200000, 1.1634400000000001, 61234.56789012, 0.00001234, 1.16344, 0.5], [1772359260000,1,1,1,1,1]]"
    async with feed(server) as source:
        await source.fetch(PAIR, M1)
        server.faults.append(Fault(body=rows))
        clock.set(FIRST + MINUTE)
        (candle,) = (await source.fetch(PAIR, M1, limit=1)).candles
    prices = candle.open, candle.high, candle.low, candle.close, candle.volume
    assert prices == tuple(map(Decimal, ("1.16344", "61234.56789012", "0.00001234", "1.16344", "0.5")))


async def test_a_slow_answer_is_given_up(server: ExchangeServer) -> None:
    def hurry(exchange: Any) -> None:
        assert exchange.timeout == 20_000
        exchange.timeout = 200

    async with feed(server, prepare=hurry) as source:
        server.faults.append(Fault(delay=30))
        with pytest.raises(FeedFailed) as caught:
            await source.fetch(PAIR, M1)
    assert caught.value.code == "unavailable"


@pytest.mark.parametrize("symbol", ["BTC_USDT", "BTC/USDT", "btc-usdt", "BTCUSDT", "BINANCE:BTCUSDT"])
async def test_a_pair_is_found_by_any_of_its_names(server: ExchangeServer, symbol: str) -> None:
    async with feed(server) as source:
        assert (await source.fetch(Instrument(symbol), M1)).candles == CANDLES[:-1]


@pytest.mark.parametrize("symbol", ["ETH_USDT", "BTC/USDT:USDT", "BYBIT:BTCUSDT"])
async def test_an_unknown_pair_is_named(server: ExchangeServer, symbol: str) -> None:
    async with feed(server) as source:
        with pytest.raises(FeedFailed) as caught:
            await source.fetch(Instrument(symbol), M1)
    facts = caught.value.code, caught.value.field, caught.value.errors[0].value
    assert facts == ("unknown-instrument", "pair", symbol)


async def test_an_unknown_timeframe_is_named(server: ExchangeServer) -> None:
    async with feed(server) as source:
        with pytest.raises(FeedFailed) as caught:
            await source.fetch(PAIR, Timeframe("H5"))
    facts = caught.value.code, caught.value.field, caught.value.errors[0].value
    assert facts == ("unknown-timeframe", "timeframe", "H5")
    assert "4h" in str(caught.value.errors[0].limit)
    assert server.requests == []


def test_of_two_markets_with_one_name_the_spot_market_is_used() -> None:
    spot, swap = {"id": "BTCUSDT", "spot": True}, {"id": "BTCUSDT", "spot": False}
    for markets in ({"BTC/USDT": spot, "BTC/USDT:USDT": swap}, {"BTC/USDT:USDT": swap, "BTC/USDT": spot}):
        assert exchange._symbols(markets)["BTCUSDT"] == "BTC/USDT"


async def test_many_streams_share_one_exchange_and_few_requests_at_once(server: ExchangeServer) -> None:
    async with feed(server) as source:
        found = await asyncio.gather(*(source.fetch(PAIR, M1) for _ in range(50)))
    assert all(each.candles == CANDLES[:-1] for each in found)
    assert paths(server).count("exchangeInfo") == 1
    assert server.connections <= 8


async def test_a_stream_that_is_canceled_cancels_no_other(server: ExchangeServer) -> None:
    server.faults.append(Fault(delay=30))
    async with feed(server) as source:
        first, second = (asyncio.ensure_future(source.fetch(PAIR, M1)) for _ in range(2))
        await until(lambda: server.requests)
        first.cancel()
        assert (await second).candles == CANDLES[:-1]
        assert first.cancelled()


async def test_a_closed_feed_fetches_nothing(server: ExchangeServer) -> None:
    async with feed(server) as source:
        await source.fetch(PAIR, M1)
        await source.close()
        with pytest.raises(FeedFailed) as caught:
            await source.fetch(PAIR, M1)
    assert caught.value.code == "closed"


async def test_a_feed_that_was_never_used_is_closed_too() -> None:
    source = ExchangeFeed(name="coins", calendar=ALWAYS, exchange="binance")
    await source.close()
    with pytest.raises(FeedFailed) as caught:
        await source.fetch(PAIR, M1)
    assert caught.value.code == "closed"


def test_the_extra_is_named_if_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "find_spec", lambda _: None)
    with pytest.raises(InvalidConfiguration) as caught:
        ExchangeFeed(name="coins", calendar=ALWAYS, exchange="binance")
    assert (caught.value.code, caught.value.field) == ("missing-extra", "feeds.coins.exchange")
    assert "signalpost[ccxt]" in str(caught.value)


def test_the_library_is_not_imported_before_it_is_needed() -> None:
    """Its import takes seconds, in which nothing else would run."""
    program = (
        "import sys; from signalpost.trading.calendar import ALWAYS; "
        "from signalpost.trading.feeds.exchange import ExchangeFeed; "
        "ExchangeFeed(name='coins', calendar=ALWAYS, exchange='kraken'); "
        "sys.exit('ccxt' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("name", ["binanec", "base", "abstract", "__init__", "../base/exchange", ""])
def test_an_unknown_exchange_is_refused(name: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        ExchangeFeed(name="coins", calendar=ALWAYS, exchange=name)
    facts = caught.value.code, caught.value.field, caught.value.errors[0].value
    assert facts == ("unknown-word", "feeds.coins.exchange", name)


async def test_an_exchange_without_candles_is_refused(server: ExchangeServer) -> None:
    async with feed(server, prepare=lambda exchange: exchange.has.update(fetchOHLCV=False)) as source:
        with pytest.raises(FeedFailed) as caught:
            await source.fetch(PAIR, M1)
    assert (caught.value.code, caught.value.errors[0].value) == ("no-candles", "binance")


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "ftp://x", "http://", "http://u:pass@x", "http://x/?a=1", "http://["]
)
def test_a_url_that_is_not_plain_is_refused(url: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        ExchangeFeed(name="coins", calendar=ALWAYS, exchange="kraken", url=url)
    assert (caught.value.code, caught.value.field) == ("invalid-url", "feeds.coins.url")
    assert "pass" not in str(caught.value)


async def _used(name: str, url: str | None = None) -> Any:
    """The library's object for an exchange that cannot be reached."""
    source = ExchangeFeed(name="coins", calendar=ALWAYS, exchange=name, url=url)
    with library(name) as exchanges, pytest.raises(FeedFailed):
        await source.fetch(PAIR, M1)
    await source.close()
    (exchange,) = exchanges
    return exchange


@pytest.mark.parametrize("name", ["binance", "kraken", "coinbase", "bybit", "okx", "bitstamp", "bitfinex"])
async def test_with_a_url_every_request_goes_there(name: str) -> None:
    def all_urls(api: Any) -> Iterator[str]:
        for each in api.values() if isinstance(api, dict) else [api]:
            yield from [each] if isinstance(each, str) else all_urls(each)

    exchange = await _used(name, "http://127.0.0.1:9/own/")
    urls = list(all_urls(exchange.urls["api"]))
    assert "http://127.0.0.1:9/own" in urls
    assert all(each.startswith("http://127.0.0.1:9") for each in urls)
    if name == "binance":
        assert "http://127.0.0.1:9/fapi/v1" in urls
        assert exchange.options["fetchMarkets"]["types"] == ["spot"]


async def test_without_a_url_requests_go_to_the_exchange() -> None:
    exchange = await _used("binance")
    assert exchange.urls["api"]["public"] == "https://api.binance.com/api/v3"

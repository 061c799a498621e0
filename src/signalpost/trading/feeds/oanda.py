"""OANDA's v20 REST API, practice and live: <https://developer.oanda.com/rest-live-v20/instrument-ep/>.

Days begin at 17:00 in New York and weeks on Sunday, as in the calendar `fx`; OANDA's own weeks begin on Friday.
"""

import re
from asyncio import Semaphore
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from itertools import pairwise, takewhile
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote, urlsplit

import msgspec
from aiohttp import ClientError, ClientHttpProxyError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from yarl import URL

from signalpost import clock
from signalpost.domain.candle import Candle
from signalpost.domain.instant import iso, utc
from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import FeedFailed, InvalidConfiguration, InvalidValue
from signalpost.proxies import proxy_for
from signalpost.secret import Secret, redacted
from signalpost.sockets import new_socket
from signalpost.trading.calendar import Calendar
from signalpost.trading.feeds import TIMEFRAMES
from signalpost.trading.feeds.port import Fetched, was_closed
from signalpost.trading.feeds.retry_after import retry_after
from signalpost.trading.outcomes import QuoteCandle

PRACTICE = "https://api-fxpractice.oanda.com"
LIVE = "https://api-fxtrade.oanda.com"

_GRANULARITIES = TIMEFRAMES["oanda"]
_MOST = 5_000
"""Candles in an answer."""
_CONNECTIONS = 2
"""OANDA allows 2 new connections a second, and 100 requests a second on each. Over the internet, one request after the
other on a connection never reaches that rate."""
_TIMEOUT = ClientTimeout(total=20.0, connect=5.0)
_LONGEST_TEXT = 200
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PLAIN = re.compile(r"[!-~]+")
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_MID, _QUOTE = "M", "BA"


class _Prices(msgspec.Struct, rename={"open": "o", "high": "h", "low": "l", "close": "c"}):
    open: str
    high: str
    low: str
    close: str


class _Row(msgspec.Struct):
    time: str
    complete: bool
    volume: int | None = None
    mid: _Prices | None = None
    bid: _Prices | None = None
    ask: _Prices | None = None


class _Answer(msgspec.Struct):
    candles: list[_Row]


class _Refusal(msgspec.Struct):
    message: str = msgspec.field(name="errorMessage", default="")


class _Bar(NamedTuple):
    time: datetime
    candles: tuple[Candle, ...]
    """The mid price, or bid and ask; empty while it is forming."""


class _Stream(NamedTuple):
    pair: Instrument
    timeframe: Timeframe
    price: str


class OandaFeed:
    """The candles of OANDA. Belongs to one event loop."""

    def __init__(self, *, name: str, calendar: Calendar, url: str = PRACTICE, token: Secret) -> None:
        self.name = name
        self.calendar = calendar
        self._url = _checked(url, token, name)
        self._token = token
        self._free = Semaphore(_CONNECTIONS)
        self._session: ClientSession | None = None
        self._is_closed = False

    async def fetch(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime | None = None, limit: int = 500
    ) -> Fetched:
        """The oldest `limit` candles of mid prices from `since` on, or the newest `limit`. Raises FeedFailed."""
        bars = await self._bars(_Stream(pair, timeframe, _MID), since, limit)
        closed = _closed(bars)
        candles = tuple(candle for bar in closed for candle in bar.candles)
        if since is not None and len(candles) > limit:
            return Fetched(candles[:limit], is_more=True)
        return Fetched(candles[-limit:], bars[len(closed)].time if len(closed) < len(bars) else None)

    async def quotes(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime, limit: int = 500
    ) -> tuple[QuoteCandle, ...]:
        """The same candles with bid and ask. Raises FeedFailed."""
        bars = await self._bars(_Stream(pair, timeframe, _QUOTE), since, limit)
        return tuple(
            QuoteCandle(bar.candles[0], bar.candles[1], self.calendar.closes_at(bar.time, timeframe), is_mid=False)
            for bar in _closed(bars)[:limit]
        )

    async def close(self) -> None:
        """Close the connections. Later calls of `fetch` raise FeedFailed."""
        self._is_closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _bars(self, stream: _Stream, since: datetime | None, limit: int) -> list[_Bar]:
        if stream.timeframe not in _GRANULARITIES:
            allowed = ", ".join(_GRANULARITIES)
            advice = f"OANDA has no such candles; use one of {allowed}"
            raise FeedFailed.of("timeframe", str(stream.timeframe), advice, code="unknown-timeframe", limit=allowed)
        bars = await (self._newest(stream, limit) if since is None else self._since(stream, since, limit))
        for earlier, later in pairwise(bars):
            if earlier.time >= later.time:
                text = f"OANDA's answer has the candle of {iso(later.time)} after that of {iso(earlier.time)}"
                raise FeedFailed(text, code="bad-answer", field="time", value=iso(later.time))
        return bars

    async def _since(self, stream: _Stream, since: datetime, limit: int) -> list[_Bar]:
        """The bars from `since` on: one more than `limit`, or all that exist."""
        start, is_first = min(since, clock.now()), True  # a time in the future is rejected
        bars: list[_Bar] = []
        while len(bars) <= limit:
            count = min(limit + 1 - len(bars), _MOST)
            window = {"from": iso(start), "count": str(count), "includeFirst": "true" if is_first else "false"}
            page = await self._page(stream, window)
            bars += [bar for bar in page if bar.time >= since]
            if len(page) < count or not page[-1].candles:
                break
            start, is_first = page[-1].time, False
        return bars

    async def _newest(self, stream: _Stream, limit: int) -> list[_Bar]:
        """The newest bars: those that are forming and at least `limit` closed ones, or all that exist."""
        window: dict[str, str] = {}
        bars: list[_Bar] = []
        while (missing := limit - len(_closed(bars))) > 0:
            count = min(missing + 1, _MOST)
            page = await self._page(stream, {"count": str(count), **window})
            older = [bar for bar in page if not bars or bar.time < bars[0].time]
            bars = older + bars
            if len(page) < count or not older:
                break
            window = {"to": iso(bars[0].time)}
        return bars

    async def _page(self, stream: _Stream, window: Mapping[str, str]) -> list[_Bar]:
        query = {"granularity": str(stream.timeframe), "price": stream.price, **window}
        if stream.timeframe == "W":
            query["weeklyAlignment"] = "Sunday"
        path = f"/v3/instruments/{quote(stream.pair.symbol, safe='')}/candles"
        status, headers, body = await self._get(URL(self._url + path, encoded=True).with_query(query))
        if status != HTTPStatus.OK:
            self._refuse(status, headers, body, stream.pair)
        try:
            rows = msgspec.json.decode(body, type=_Answer).candles
            return [_bar(row, stream) for row in rows]
        except InvalidValue as fault:
            problem, field, value = redacted(str(fault)), fault.field, redacted(fault.errors[0].value or "")
        except _UNREADABLE as fault:
            problem, field, value = redacted(str(fault))[:_LONGEST_TEXT], None, None
        raise FeedFailed(f"OANDA's answer is not valid: {problem}", code="bad-answer", field=field, value=value)

    async def _get(self, url: URL) -> tuple[int, Mapping[str, str], bytes]:
        """The status, headers and body of an answer."""
        async with self._free:
            if self._is_closed:
                raise was_closed(self.name)
            try:
                session, through = self._opened(), _through_proxy(url)
                async with session.get(url, headers=self._headers(), allow_redirects=False, **through) as response:
                    return response.status, response.headers, await response.read()
            except (ClientError, OSError) as fault:
                problem = _summary(fault)
        raise FeedFailed(problem, code="unavailable")  # outside, so that the library's error is not its context

    def _opened(self) -> ClientSession:
        if self._session is None:
            connector = TCPConnector(socket_factory=new_socket)
            self._session = ClientSession(timeout=_TIMEOUT, cookie_jar=DummyCookieJar(), connector=connector)
        return self._session

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token.reveal()}", "Accept-Datetime-Format": "RFC3339"}

    def _refuse(self, status: int, headers: Mapping[str, str], body: bytes, pair: Instrument) -> NoReturn:
        """Raise the error for an answer that is not a success."""
        message = _message(body)
        answered = f"OANDA answered {status}" + (f" ({message})" if message else "")
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            setting = f"feeds.{self.name}.token_file"
            advice = "check that the token is valid and belongs to this host: practice and live have different ones"
            raise FeedFailed(f"{answered}: {advice}", code="unauthorized", field=setting)
        if status == HTTPStatus.NOT_FOUND or (status == HTTPStatus.BAD_REQUEST and "instrument" in message.lower()):
            advice = "use one of your account's instruments, such as EUR_USD, and check url"
            raise FeedFailed(
                f"{answered} to {pair}: {advice}", code="unknown-instrument", field="pair", value=pair.symbol
            )
        wait = retry_after(headers.get("Retry-After"))
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            raise FeedFailed(answered, code="throttled", retry_after=wait)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise FeedFailed(answered, code="unavailable", retry_after=wait)
        raise FeedFailed(answered, code="rejected")


def _checked(url: str, token: Secret, name: str) -> str:
    """`url` without a final slash. Raises InvalidConfiguration if others could read the token."""
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        is_usable = (
            is_usable and bool(_PLAIN.fullmatch(url) and URL(url).host) and "@" not in parts.netloc and not parts.query
        )
    except ValueError:
        is_usable = False
    if not is_usable:
        text = f"the URL must begin with https:// and have no user and no query: use {PRACTICE} or {LIVE}"
        raise InvalidConfiguration(text, code="invalid-url", field=f"feeds.{name}.url", limit=f"{PRACTICE}, {LIVE}")
    if not _PLAIN.fullmatch(token.reveal()):
        text = "the token is empty or has invalid characters: copy it again from OANDA's site"
        raise InvalidConfiguration(text, code="invalid-token", field=f"feeds.{name}.token_file")
    return url.rstrip("/")


def _through_proxy(url: URL) -> dict[str, Any]:
    """The arguments for a request through the proxy of the environment, if it can be used."""
    proxy = proxy_for(url.host or "") if url.scheme == "https" else None
    return {} if proxy is None or proxy.problem else proxy.arguments


def _closed(bars: Sequence[_Bar]) -> list[_Bar]:
    return list(takewhile(lambda bar: bar.candles, bars))


def _bar(row: _Row, stream: _Stream) -> _Bar:
    """A row, validated. Raises InvalidValue."""
    time = utc(row.time, "time")
    if not row.complete:
        return _Bar(time, ())
    sides = {"mid": row.mid} if stream.price == _MID else {"bid": row.bid, "ask": row.ask}
    return _Bar(time, tuple(_candle(time, row.volume, side, prices, stream.pair) for side, prices in sides.items()))


def _candle(time: datetime, volume: int | None, side: str, prices: _Prices | None, pair: Instrument) -> Candle:
    if prices is None:
        raise InvalidValue(f"the candle of {iso(time)} has no {side} prices", code="missing", field=side)
    candle = Candle(time=time, open=prices.open, high=prices.high, low=prices.low, close=prices.close, volume=volume)
    pair.check_price(candle.low, "low")
    return candle


def _message(body: bytes) -> str:
    try:
        return redacted(msgspec.json.decode(body, type=_Refusal).message)[:_LONGEST_TEXT]
    except _UNREADABLE:
        return ""


def _summary(fault: Exception) -> str:
    """The type of `fault` and the system's text, never its own text, which may quote the request."""
    if isinstance(fault, ClientHttpProxyError):
        return f"OANDA cannot be reached: the proxy answered {fault.status}; check HTTPS_PROXY"
    text = getattr(fault, "strerror", None)
    return f"OANDA did not answer: {type(fault).__name__}" + (f" ({text})" if isinstance(text, str) and text else "")

"""The candles of crypto exchanges, by the library ccxt (extra `ccxt`).

An exchange's last row is the candle that is still forming. It is closed once a newer row exists. It is also closed once
the exchange's own clock shows that, and is then fetched once more.
"""

from asyncio import Lock, Semaphore, to_thread
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from signalpost import clock
from signalpost.domain.candle import Candle
from signalpost.domain.exact import Number, decimal_of
from signalpost.domain.instant import iso
from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import FeedFailed, InvalidConfiguration, InvalidValue
from signalpost.secret import redacted
from signalpost.trading.calendar import Calendar
from signalpost.trading.feeds.port import Fetched, was_closed
from signalpost.trading.feeds.price_grid import grid_of
from signalpost.trading.feeds.retry_after import retry_after
from signalpost.trading.outcomes import QuoteCandle

Result = TypeVar("Result")

_GRACE = timedelta(seconds=2)
"""How long an exchange may take to complete a candle after its close."""
_AT_ONCE = 8
"""Requests at the same time. The library's own limiter spaces them."""
_TIMEOUT = 20_000
"""Milliseconds."""
_USUAL_PAGE = 500
"""Rows in an answer, if the library does not know how many the exchange sends."""
_WITHOUT_LIMIT = 1 << 30
_LONGEST_TEXT = 200
_EXAMPLE = "https://example.com/api/v3"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_PUBLIC = frozenset({"public", "rest", "spot"})
"""The library's usual names of the API with the candles."""
_CODE_BY_CLASS = {
    "ExchangeClosedByUser": "closed",
    "AuthenticationError": "unauthorized",
    "RateLimitExceeded": "throttled",
    "DDoSProtection": "throttled",
    "BadSymbol": "unknown-instrument",
    "NetworkError": "unavailable",
    "ClientError": "unavailable",
    "OSError": "unavailable",
    "BadResponse": "bad-answer",
    "BaseError": "rejected",
}
"""By the name of the class or of the nearest base class. Any other exception means that the library could not read the
answer."""

_PROBLEM_BY_CODE = {
    "closed": "was closed: create a new feed",
    "unauthorized": "refused access: perhaps it does not serve your country or network",
    "throttled": "allows no more requests for now",
    "unknown-instrument": "does not know the market",
    "unavailable": "did not answer",
    "bad-answer": "sent an answer that cannot be read",
    "rejected": "rejected the request",
}


class _Stream(NamedTuple):
    symbol: str
    """As the library spells it: `BTC/USDT`."""
    timeframe: Timeframe
    interval: str
    """As the library spells it: `4h`."""
    page: int
    """Rows in an answer at most."""


class ExchangeFeed:
    """The candles of an exchange that ccxt knows. Belongs to one event loop."""

    def __init__(self, *, name: str, calendar: Calendar, exchange: str, url: str | None = None) -> None:
        """`url` replaces the address of the exchange's public API, and then only spot markets are read.

        Raises InvalidConfiguration if ccxt is not installed, for an unknown exchange, or for an invalid URL.
        """
        _check(exchange, url, name)
        self.name = name
        self.calendar = calendar
        self._make = partial(_library_exchange, exchange, url)
        self._exchange: Any = None
        self._is_closed = False
        self._free = Semaphore(_AT_ONCE)
        self._loading = Lock()
        self._symbols: Mapping[str, str] = {}

    async def fetch(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime | None = None, limit: int = 500
    ) -> Fetched:
        """The oldest `limit` candles from `since` on, or the newest `limit`.

        Raises FeedFailed, with the code `short-history` if the exchange no longer has the candles after `since`.
        """
        stream = await self._stream(pair, timeframe)
        if since is None:
            return await self._newest(stream, limit)
        rows, forming = await self._rows(stream, since, limit)
        first = rows[0].time if rows else forming
        if first is not None and first >= since + timeframe.duration:
            await self._check_history(stream, since, first)
        if len(rows) > limit:
            return Fetched(tuple(rows[:limit]), is_more=True)
        return Fetched(tuple(rows), forming)

    async def quotes(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime, limit: int = 500
    ) -> tuple[QuoteCandle, ...]:
        """The same candles as mid prices: exchanges have no candles of bid and ask. Raises FeedFailed."""
        fetched = await self.fetch(pair, timeframe, since=since, limit=limit)
        return fetched.mid_quotes(self.calendar, timeframe)

    async def close(self) -> None:
        """Close the connections. Later calls of `fetch` raise FeedFailed."""
        self._is_closed = True
        if self._exchange is not None:
            await self._exchange.close()

    async def _newest(self, stream: _Stream, limit: int) -> Fetched:
        rows, forming = await self._rows(stream, None, limit)
        is_all = not rows
        while len(rows) < limit and not is_all:
            first, needed = rows[0].time, limit - len(rows)
            for before in (needed, needed + stream.page):  # just before the first one, rows may be missing
                start = first - before * stream.timeframe.duration
                rows, forming = await self._rows(stream, start, _WITHOUT_LIMIT)
                if not (is_all := rows[0].time >= first):
                    break
        return Fetched(tuple(rows[-limit:]), forming)

    async def _rows(self, stream: _Stream, since: datetime | None, limit: int) -> tuple[list[Candle], datetime | None]:
        """Closed candles from `since` on, more than `limit` or all, and the open of the one that is still forming.

        The exchange's time is fetched before the last request, so that the answer to that request has the final prices.
        """
        found: dict[datetime, Candle] = {}
        start, now, server = since, clock.now(), None
        count = min(limit + 2, stream.page)  # the last one may still be forming
        if since is not None:  # a long answer costs more of what the exchange allows
            count = min(count, max(0, (now - since) // stream.timeframe.duration) + 3)
        while True:
            rows = await self._page(stream, start, count)
            page = {each.time: each for each in rows if since is None or each.time >= since}
            is_fresh = not page.keys() <= found.keys()
            if start in found and is_fresh and min(page) >= start + stream.timeframe.duration:
                await self._check_history(stream, start, min(page))
            found |= page
            last = max(found, default=None)
            if since is not None and len(found) > limit + 1:
                return _in_order(found), None
            is_end = since is None or len(rows) < count
            if is_end and last is not None and self._final_at(stream, last) > now:
                break
            if server is None:
                server = await self._server_time()
            elif not is_fresh:
                start = await self._after_pause(stream, start, count)
                if start is None:
                    break
                continue
            start = last or start
        is_running = last is not None and (server is None or self._final_at(stream, last) > server)
        return _in_order(found, last if is_running else None), last if is_running else None

    async def _after_pause(self, stream: _Stream, start: datetime | None, count: int) -> datetime | None:
        """Where to continue after an answer without new rows: some exchanges answer for a period, which may be empty.

        None if the exchange has no newer rows.
        """
        if start is None:
            return None
        ahead = start + count * stream.timeframe.duration
        if ahead > clock.now():
            return None
        newest = await self._page(stream, None, 1)
        return ahead if newest and newest[-1].time >= ahead else None

    async def _check_history(self, stream: _Stream, since: datetime, first: datetime) -> None:
        """Raise FeedFailed if the exchange has no row before `since` either: then those up to `first` may be lost."""
        earlier = await self._page(stream, since - stream.page * stream.timeframe.duration, stream.page)
        if not any(each.time < since for each in earlier):
            which = f"{stream.timeframe} candles of {stream.symbol}"
            text = (
                f"{self._exchange.id} no longer has the {which} from {iso(since)} on: its first one is that of "
                f"{iso(first)}. Start the strategy anew with another key, or use a longer timeframe"
            )
            raise FeedFailed(text, code="short-history", field="since", value=iso(since), limit=iso(first))

    def _final_at(self, stream: _Stream, opened: datetime) -> datetime:
        return self.calendar.closes_at(opened, stream.timeframe) + _GRACE

    async def _server_time(self) -> datetime:
        """The exchange's time; if the exchange does not answer, a time so long ago that no candle counts as closed."""
        if not self._exchange.has["fetchTime"]:
            return clock.now()
        try:
            milliseconds: int = await self._call(self._exchange.fetch_time)
        except FeedFailed:
            return _EPOCH
        return _EPOCH + milliseconds * _MILLISECOND

    async def _page(self, stream: _Stream, start: datetime | None, limit: int) -> list[Candle]:
        """At most `limit` rows from `start` on, or the newest ones, oldest first."""
        milliseconds = None if start is None else -((_EPOCH - start) // _MILLISECOND)
        arguments = (stream.symbol, stream.interval, milliseconds, min(limit, stream.page))

        async def read() -> list[Candle]:
            return [_candle(row) for row in await self._exchange.fetch_ohlcv(*arguments)]

        return await self._call(read)

    async def _stream(self, pair: Instrument, timeframe: Timeframe) -> _Stream:
        await self._open()
        interval = f"{timeframe[1:] or 1}{timeframe[0].lower()}"
        allowed = self._exchange.timeframes or {}
        if interval not in allowed:
            names = ", ".join(allowed)
            text = f"{self._exchange.id} has no {timeframe} candles: use one of {names}"
            raise FeedFailed(text, code="unknown-timeframe", field="timeframe", value=timeframe, limit=names)
        symbol = await self._symbol(pair)
        page = self._exchange.feature_value(symbol, "fetchOHLCV", "limit") or _USUAL_PAGE
        return _Stream(symbol, timeframe, interval, page)

    async def _open(self) -> None:
        """Import the library in a thread, because that takes seconds. Raises FeedFailed."""
        async with self._loading:
            if self._is_closed:
                raise was_closed(self.name)
            self._exchange = self._exchange or await to_thread(self._make)
        if self._exchange.has["fetchOHLCV"] is not True:
            text = f"{self._exchange.id} offers no candles: use another exchange"
            raise FeedFailed(text, code="no-candles", field=f"feeds.{self.name}.exchange", value=self._exchange.id)

    async def _symbol(self, pair: Instrument) -> str:
        async with self._loading:  # a cancelled caller would otherwise cancel the others
            self._symbols = self._symbols or _symbols(await self._call(self._exchange.load_markets))
        text = pair.symbol.removeprefix(f"{self._exchange.id.upper()}:")
        for name in (text, text.replace("_", "/", 1)):
            if name in self._symbols:
                return self._symbols[name]
        problem = f"{self._exchange.id} has no market {pair}: use a symbol such as BTC/USDT or BTC/USDT:USDT"
        raise FeedFailed(problem, code="unknown-instrument", field="pair", value=pair.symbol)

    async def _call(self, request: Callable[[], Awaitable[Result]]) -> Result:
        """The result of a request. Raises FeedFailed."""
        async with self._free:
            try:
                return await request()
            except Exception as fault:  # noqa: BLE001  # the library raises anything if an answer has another shape
                failure = self._of(fault)
        raise failure  # outside, so that the library's error is not its context

    def _of(self, fault: Exception) -> FeedFailed:
        """Convert an exception of the library."""
        if isinstance(fault, InvalidValue):
            text = f"the answer of {self._exchange.id} is not valid: {fault}"
            return FeedFailed(text, code="bad-answer", field=fault.field, value=fault.errors[0].value)
        code = _code(fault.__cause__) or _code(fault) or "bad-answer"
        detail = redacted(str(fault))[:_LONGEST_TEXT] if code == "rejected" else type(fault).__name__
        problem = f"{self._exchange.id} {_PROBLEM_BY_CODE[code]} ({detail})"
        headers = {key.lower(): text for key, text in (self._exchange.last_response_headers or {}).items()}
        wait = retry_after(headers.get("retry-after")) if code == "throttled" else None
        return FeedFailed(problem, code=code, retry_after=wait)


def check_exchange(exchange: str, field: str | None = None) -> None:
    """Raise InvalidConfiguration if the library is installed, but does not have the exchange. Imports nothing."""
    library = _library()
    if library is not None and not (exchange.isalnum() and (library / "async_support" / f"{exchange}.py").is_file()):
        text = f"{exchange!r} is not an exchange of ccxt: use a name such as binance or kraken"
        raise InvalidConfiguration(text, code="unknown-word", field=field, value=exchange)


def _library() -> Path | None:
    """The folder of the library; None if it is not installed."""
    found = find_spec("ccxt")
    return None if found is None or found.origin is None else Path(found.origin).parent


def _check(exchange: str, url: str | None, name: str) -> None:
    """Check the settings without importing the library. Raises InvalidConfiguration."""
    field = f"feeds.{name}.exchange"
    if _library() is None:
        text = "the library ccxt is missing: run pip install 'signalpost[ccxt]'"
        raise InvalidConfiguration(text, code="missing-extra", field=field, value=exchange, limit="ccxt")
    check_exchange(exchange, field)
    try:
        parts = urlsplit(url or _EXAMPLE)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or parts.query:
        text = f"the URL must begin with http:// or https:// and have no user and no query, such as {_EXAMPLE}"
        raise InvalidConfiguration(text, code="invalid-url", field=f"feeds.{name}.url")


def _library_exchange(name: str, url: str | None) -> Any:
    """The library's object for an exchange."""
    options = {"enableRateLimit": True, "timeout": _TIMEOUT, "aiohttp_trust_env": url is None}
    exchange = getattr(import_module("ccxt.async_support"), name)(options)
    if url is not None:
        exchange.urls["api"] = _moved("public", exchange.urls["api"], url.rstrip("/"))
        markets = exchange.options.get("fetchMarkets")
        if isinstance(markets, dict) and "spot" in markets.get("types", ()):
            markets["types"] = ["spot"]
    return exchange


def _moved(key: str, api: Any, url: str) -> Any:
    """The URLs of an exchange, all on the host of `url`. If `url` has a path, the public URL gets that path."""
    if isinstance(api, dict):
        return {name: _moved(name, each, url) for name, each in api.items()}
    parts = urlsplit(url)
    return url if parts.path and key in _PUBLIC else f"{parts.scheme}://{parts.netloc}{urlsplit(api).path}"


def _symbols(markets: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The library's symbols, by themselves and by the exchange's own names, both in upper case.

    If two markets have the same name, the name stands for the spot market.
    """
    own = {str(each["id"]).upper(): symbol for symbol, each in sorted(markets.items(), key=_is_spot)}
    return own | {symbol.upper(): symbol for symbol in markets}


def _is_spot(item: tuple[str, Mapping[str, Any]]) -> bool:
    return bool(item[1].get("spot"))


def _in_order(found: Mapping[datetime, Candle], without: datetime | None = None) -> list[Candle]:
    return [found[time] for time in sorted(found) if time != without]


def _candle(row: Sequence[Any]) -> Candle:
    """A row `[milliseconds, open, high, low, close, volume]`. Raises InvalidValue."""
    at, open_, high, low, close, volume = row
    prices = [_exact(price) for price in (open_, high, low, close)]
    time = _EPOCH + at * _MILLISECOND
    return Candle(time=time, open=prices[0], high=prices[1], low=prices[2], close=prices[3], volume=volume)


def _exact(price: Number) -> Decimal:
    """A price without the noise of binary computation."""
    exact = decimal_of(price, "price")
    return grid_of((exact,)).nearest(exact)


def _code(fault: BaseException | None) -> str | None:
    return next(
        (_CODE_BY_CLASS[kind.__name__] for kind in type(fault).__mro__ if kind.__name__ in _CODE_BY_CLASS), None
    )

"""A crypto exchange on loopback, in the shape of Binance's or Kraken's public API, for the real library ccxt.

    with ExchangeServer({("BTC_USDT", "M1"): candles}) as server:
        ...  # kind = "ccxt", exchange = "binance" or "kraken", url = server.url

A row is visible from its open on. Until its close it has draft prices: by default it is flat at its open.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from signalpost.domain.candle import Candle
from signalpost.domain.instant import LATEST
from signalpost.domain.timeframe import Timeframe
from tests.loopback_server import LoopbackServer

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND, _MILLISECOND = timedelta(seconds=1), timedelta(milliseconds=1)
_KRAKEN_KEEPS = 720


class ExchangeServer(LoopbackServer):
    """Candles by pair and timeframe, served as an exchange does."""

    def __init__(
        self,
        candles: Mapping[tuple[str, str], Sequence[Candle]],
        *,
        now: Callable[[], datetime] | None = None,
        drafts: Iterable[Candle] = (),
        most: int = 1_000,
    ) -> None:
        super().__init__(now)
        self.candles = {key: sorted(series, key=lambda each: each.time) for key, series in candles.items()}
        """Change it at will: add candles, or replace one by its correction."""
        self.drafts = {draft.time: draft for draft in drafts}
        """The prices of a candle until it closes."""
        self.most = most
        """Rows in an answer, in Binance's shape. Kraken's has the newest 720, whatever the limit."""
        self.has_time = True
        """Whether the exchange tells its time."""
        self.has_windows = False
        """Whether an answer spans `limit` slots of time, and so may be empty, as those of some exchanges."""

    def page(self, path: str, query: dict[str, str], authorization: str | None) -> tuple[int, str]:
        """The status and the JSON of an answer."""
        answers: dict[str, Callable[[dict[str, str]], object]] = {
            "/api/v3/exchangeInfo": self._binance_markets,
            "/api/v3/klines": self._binance_rows,
            "/0/public/Assets": self._kraken_assets,
            "/0/public/AssetPairs": self._kraken_markets,
            "/0/public/OHLC": self._kraken_rows,
        }
        if self.has_time:
            answers |= {"/api/v3/time": self._binance_time, "/0/public/Time": self._kraken_time}
        if path not in answers:
            return 404, '{"code": 404, "msg": "not found"}'
        return 200, json.dumps(answers[path](query))

    def _visible(self, market: str, duration: timedelta) -> list[tuple[datetime, Candle]]:
        """The rows of a market by the exchange's name for it."""
        now = self.now()
        key = next(
            each for each in self.candles if each[0].replace("_", "") == market and _duration(each[1]) == duration
        )
        shown = [each for each in self.candles[key] if each.time <= now]
        return [(each.time, each if each.time + duration <= now else self._draft(each)) for each in shown]

    def _draft(self, candle: Candle) -> Candle:
        flat = dict.fromkeys(("open", "high", "low", "close"), candle.open)
        return self.drafts.get(candle.time) or Candle(time=candle.time, volume=1, **flat)

    @property
    def _pairs(self) -> list[tuple[str, str]]:
        return sorted({(pair.partition("_")[0], pair.partition("_")[2]) for pair, _ in self.candles})

    def _binance_time(self, _: dict[str, str]) -> object:
        return {"serverTime": (self.now() - _EPOCH) // _MILLISECOND}

    def _binance_markets(self, _: dict[str, str]) -> object:
        price = {"filterType": "PRICE_FILTER", "minPrice": "0.00001", "maxPrice": "1000000", "tickSize": "0.00001"}
        size = {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"}
        return {
            "timezone": "UTC",
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": [
                {
                    "symbol": base + quote,
                    "status": "TRADING",
                    "baseAsset": base,
                    "quoteAsset": quote,
                    "baseAssetPrecision": 8,
                    "quotePrecision": 8,
                    "isSpotTradingAllowed": True,
                    "isMarginTradingAllowed": False,
                    "permissions": ["SPOT"],
                    "filters": [price, size],
                }
                for base, quote in self._pairs
            ],
        }

    def _binance_rows(self, query: dict[str, str]) -> object:
        duration = _duration(query["interval"])
        rows = self._visible(query["symbol"], duration)
        count = min(int(query.get("limit", "500")), self.most)
        if "startTime" in query:
            start = _EPOCH + int(query["startTime"]) * _MILLISECOND
            end = start + count * duration if self.has_windows else LATEST
            rows = [each for each in rows if start <= each[0] < end][:count]
        return [
            [
                (at - _EPOCH) // _MILLISECOND,
                str(row.open),
                str(row.high),
                str(row.low),
                str(row.close),
                str(row.volume or 1),
                (at + duration - _EPOCH) // _MILLISECOND - 1,
            ]
            for at, row in rows[-count:]
        ]

    def _kraken_time(self, _: dict[str, str]) -> object:
        return {"error": [], "result": {"unixtime": (self.now() - _EPOCH) // _SECOND, "rfc1123": ""}}

    def _kraken_assets(self, _: dict[str, str]) -> object:
        names = {name for pair in self._pairs for name in pair}
        asset = {"aclass": "currency", "decimals": 10, "display_decimals": 5, "status": "enabled"}
        return {"error": [], "result": {name: asset | {"altname": name} for name in sorted(names)}}

    def _kraken_markets(self, _: dict[str, str]) -> object:
        market = {"pair_decimals": 5, "lot_decimals": 8, "cost_decimals": 5, "tick_size": "0.00001", "status": "online"}
        return {
            "error": [],
            "result": {
                base + quote: market
                | {"altname": base + quote, "wsname": f"{base}/{quote}", "base": base, "quote": quote, "ordermin": "1"}
                for base, quote in self._pairs
            },
        }

    def _kraken_rows(self, query: dict[str, str]) -> object:
        """The newest rows, at most 720; of these, the ones after `since`."""
        rows = self._visible(query["pair"], timedelta(minutes=int(query["interval"])))[-_KRAKEN_KEEPS:]
        start = _EPOCH + int(query.get("since", "0")) * _SECOND
        answer = [
            [
                (at - _EPOCH) // _SECOND,
                str(row.open),
                str(row.high),
                str(row.low),
                str(row.close),
                str(row.close),
                str(row.volume or 1),
                1,
            ]
            for at, row in rows
            if at > start
        ]
        return {"error": [], "result": {query["pair"]: answer, "last": 0}}


def _duration(interval: str) -> timedelta:
    return Timeframe(interval).duration

"""A server on loopback that speaks OANDA's v20 candles endpoint, and is as strict about queries as OANDA is.

    with OandaServer({("EUR_USD", "H4"): bundled_candles(Instrument("EUR_USD"))}) as server:
        ...  # the setting is url = server.url, and the token is server.token

It runs in a thread of its own, so other processes can use it while a test waits. A candle is visible from its open on,
with `complete` false and draft prices until `settle` after its close. It shares no code with the feed.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from signalpost.domain.candle import Candle
from tests.loopback_server import Fault, LoopbackServer

__all__ = ["TOKEN", "Fault", "OandaServer", "closes_at", "on_slots"]

TOKEN = "practice-0123456789abcdef-fedcba9876543210"
_PATH = re.compile(r"/v3/instruments/([^/]+)/candles")
_UNITS = {"S": 1, "M": 60, "H": 3_600}
_GRANULARITIES = "S5 S10 S15 S30 M1 M2 M4 M5 M10 M15 M30 H1 H2 H3 H4 H6 H8 H12 D W M"
_PARAMETERS = "price granularity count from to smooth includeFirst dailyAlignment alignmentTimezone weeklyAlignment"
_SIDES = {"M": ("mid", 0), "B": ("bid", -1), "A": ("ask", 1)}
_NEW_YORK = ZoneInfo("America/New_York")
_USUAL = 500


class _Rejected(Exception):
    pass


class OandaServer(LoopbackServer):
    """Candles by instrument and granularity, served as OANDA does."""

    def __init__(
        self,
        candles: Mapping[tuple[str, str], Sequence[Candle]],
        *,
        now: Callable[[], datetime] | None = None,
        settle: timedelta = timedelta(seconds=2),
        drafts: Iterable[Candle] = (),
        spread: Decimal = Decimal("0.00010"),
        token: str = TOKEN,
        most: int = 5_000,
    ) -> None:
        super().__init__(now)
        self.candles = {key: sorted(series, key=lambda each: each.time) for key, series in candles.items()}
        """Change it at will: add candles, or replace one by its correction."""
        self.settle = settle
        self.drafts = {draft.time: draft for draft in drafts}
        """The prices of a candle while it is not complete; by default it is flat at its open."""
        self.spread = spread
        self.token = token
        self.most = most
        """Candles in an answer."""

    def page(self, path: str, query: dict[str, str], authorization: str | None) -> tuple[int, str]:
        """The status and the JSON of an answer."""
        if not (found := _PATH.fullmatch(path)):
            return 404, '{"errorMessage": "Not Found"}'
        if authorization != f"Bearer {self.token}":
            return 401, '{"errorMessage": "Insufficient authorization to perform request."}'
        try:
            return 200, json.dumps(self._candles(found[1], query))
        except _Rejected as rejected:
            return 400, json.dumps({"errorMessage": str(rejected)})

    def _candles(self, instrument: str, query: dict[str, str]) -> dict[str, object]:
        granularity, price = query.get("granularity", "S5"), query.get("price", "M")
        if instrument not in {name for name, _ in self.candles}:
            raise _Rejected("Invalid value specified for 'instrument'")
        if granularity not in _GRANULARITIES.split():
            raise _Rejected("Invalid value specified for 'granularity'")
        if not price or not set(price) <= set(_SIDES):
            raise _Rejected("Invalid value specified for 'price'")
        now = self.now()
        visible = [each for each in self.candles.get((instrument, granularity), ()) if each.time <= now]
        chosen = _chosen(visible, query, self.most, (granularity, now))
        rows = [self._row(each, granularity, price, now) for each in chosen]
        return {"instrument": instrument, "granularity": granularity, "candles": rows}

    def _row(self, candle: Candle, granularity: str, price: str, now: datetime) -> dict[str, object]:
        is_complete = now >= closes_at(candle.time, granularity) + self.settle
        if not is_complete:
            flat = dict.fromkeys(("open", "high", "low", "close"), candle.open)
            candle = self.drafts.get(candle.time) or Candle(time=candle.time, volume=1, **flat)
        sides = {name: self._prices(candle, sign) for name, sign in (_SIDES[each] for each in price)}
        return {"complete": is_complete, "volume": int(candle.volume or 1), "time": _rfc3339(candle.time), **sides}

    def _prices(self, candle: Candle, sign: int) -> dict[str, str]:
        away = sign * self.spread / 2
        prices = {"o": candle.open, "h": candle.high, "l": candle.low, "c": candle.close}
        return {name: str(price + away if sign else price) for name, price in prices.items()}


def closes_at(opened: datetime, granularity: str) -> datetime:
    """When a candle closes: days and weeks end at the same hour in New York."""
    if granularity[0] in _UNITS:
        return opened + timedelta(seconds=_UNITS[granularity[0]] * int(granularity[1:]))
    return (opened.astimezone(_NEW_YORK) + timedelta(days={"D": 1, "W": 7}[granularity])).astimezone(UTC)


def on_slots(candles: Sequence[Candle], granularity: str, first: datetime) -> list[Candle]:
    """The same prices on successive slots of another granularity: real candles that close every few seconds."""
    step = closes_at(first, granularity) - first
    return [
        Candle(
            time=first + number * step,
            open=each.open,
            high=each.high,
            low=each.low,
            close=each.close,
            volume=each.volume,
        )
        for number, each in enumerate(candles)
    ]


def _chosen(visible: Sequence[Candle], query: dict[str, str], most: int, of: tuple[str, datetime]) -> Sequence[Candle]:
    """The candles that the query selects. Raises _Rejected as OANDA does."""
    granularity, now = of
    for name in query:
        if name not in _PARAMETERS.split():
            raise _Rejected(f"Unknown parameter '{name}'")
    start, end = (_time(query, name, now) for name in ("from", "to"))
    includes_first = _flag(query, "includeFirst", default=True)
    if start is not None:
        held = [each for each in visible if closes_at(each.time, granularity) > start]
        visible = held[1:] if held and held[0].time <= start and not includes_first else held
    if end is not None:
        visible = [each for each in visible if each.time < end]
    if start is None or end is None:
        count = _count(query.get("count", str(_USUAL)), most)
        return visible[:count] if start is not None else visible[-count:]
    if "count" in query:
        raise _Rejected("'count' cannot be specified when 'to' and 'from' are set")
    if len(visible) > most:
        raise _Rejected("Maximum value for 'count' exceeded")
    return visible


def _count(text: str, most: int) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise _Rejected("Invalid value specified for 'count'")
    if int(text) > most:
        raise _Rejected("Maximum value for 'count' exceeded")
    return int(text)


def _time(query: dict[str, str], name: str, now: datetime) -> datetime | None:
    if name not in query:
        return None
    try:
        found = datetime.fromisoformat(query[name]).astimezone(UTC)
    except ValueError:
        raise _Rejected(f"Invalid value specified for '{name}'") from None
    if found > now:
        raise _Rejected(f"Invalid value specified for '{name}'. Time is in the future")
    return found


def _flag(query: dict[str, str], name: str, *, default: bool) -> bool:
    text = query.get(name, str(default).lower())
    if text not in {"true", "false"}:
        raise _Rejected(f"Invalid value specified for '{name}'")
    return text == "true"


def _rfc3339(at: datetime) -> str:
    return f"{at.replace(tzinfo=None).isoformat(timespec='microseconds')}000Z"

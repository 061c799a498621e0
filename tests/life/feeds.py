"""The feeds of scenarios: a folder of candle files, or a server that speaks as OANDA or a crypto exchange does."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple, Self

import msgspec

from signalpost.domain.candle import Candle
from signalpost.domain.timeframe import Timeframe
from signalpost.trading.calendar import ALWAYS, FX
from tests.exchange_server import ExchangeServer
from tests.oanda_server import OandaServer

_COMPLETE_AFTER = timedelta(seconds=4)
"""How long after its close the server of OANDA still shows the draft of a candle."""


class Row(NamedTuple):
    """A candle as a scenario gives it."""

    candle: Candle
    is_draft: bool
    """Whether it is what the feed shows before the candle is complete."""

    @classmethod
    def of(cls, text: str) -> Self:
        """Read `[draft] time open high low close`."""
        kind, _, rest = text.partition(" ")
        time, first, high, low, last = (rest if kind == "draft" else text).split()
        candle = Candle(time=datetime.fromisoformat(time), open=first, high=high, low=low, close=last)
        return cls(candle, kind == "draft")


class Feed(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The feed of a scenario."""

    pair: str
    timeframe: str = "M1"
    kind: Literal["folder", "oanda", "ccxt"] = "folder"
    follow: bool = True
    """Whether it follows all signals."""
    behind: int = 0
    """How many seconds the clock of the feed's server is behind ours."""

    def closes_at(self, opened: datetime) -> datetime:
        """When a candle closes."""
        return (ALWAYS if self.kind == "ccxt" else FX).closes_at(opened, Timeframe(self.timeframe))


class Candles:
    """The candles that a feed shows. Close it."""

    def __init__(self, feed: Feed, folder: Path, now: Callable[[], datetime], undo: ExitStack) -> None:
        self._feed, self._folder = feed, folder / "candles"
        self._rows: dict[datetime, Candle] = {}
        self._folder.mkdir()
        self._server: OandaServer | ExchangeServer | None = None
        self.environment: dict[str, str] = {}

        def now_there() -> datetime:
            return now() - timedelta(seconds=feed.behind)

        if feed.kind == "oanda":
            self._server = undo.enter_context(OandaServer({self._key: ()}, now=now_there, settle=_COMPLETE_AFTER))
            self.environment["OANDA_TOKEN"] = self._server.token
        elif feed.kind == "ccxt":
            self._server = undo.enter_context(ExchangeServer({self._key: ()}, now=now_there))

    @property
    def _key(self) -> tuple[str, str]:
        return self._feed.pair, self._feed.timeframe

    @property
    def settings(self) -> str:
        """The part of a settings file that names the feed, which is called `candles`."""
        where = 'path = "candles"' if self._server is None else f'url = "{self._server.url}"'
        lines = ["[feeds.candles]", f'kind = "{self._feed.kind}"', where]
        if self._feed.kind == "ccxt":
            lines.append('exchange = "binance"')
        if self._feed.follow:
            lines += ["[follow]", 'feed = "candles"', f'timeframe = "{self._feed.timeframe}"']
        return "\n".join(("", *lines, ""))

    @property
    def first_look(self) -> timedelta:
        """When a service begins to look for a candle, after its close: before it, if it is to see a draft."""
        return timedelta(seconds=self._feed.behind + (2 if self._server is None else -0.5))

    def add(self, rows: Sequence[Row]) -> None:
        """Show more candles; one with a known time is a correction."""
        self._rows |= {row.candle.time: row.candle for row in rows if not row.is_draft}
        candles = sorted(self._rows.values(), key=lambda each: each.time)
        if self._server is not None:
            self._server.drafts |= {row.candle.time: row.candle for row in rows if row.is_draft}
            self._server.candles[self._key] = candles
            return
        lines = [f"{each.time:%Y-%m-%dT%H:%M:%SZ},{each.open},{each.high},{each.low},{each.close}" for each in candles]
        file = self._folder / f"{self._feed.pair}_{self._feed.timeframe}.csv"
        file.with_suffix(".new").write_text("\n".join(("time,open,high,low,close", *lines, "")), encoding="utf-8")
        file.with_suffix(".new").rename(file)

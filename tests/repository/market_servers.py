"""The practice host of OANDA and the exchange Kraken, on loopback, for the settings files on the pages."""

import re
from contextlib import ExitStack
from datetime import UTC, datetime

from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.trading.feeds.bundled import bundled_candles
from signalpost.trading.feeds.oanda import PRACTICE
from tests.exchange_server import ExchangeServer
from tests.loopback_server import LoopbackServer
from tests.oanda_server import OandaServer, on_slots

_KRAKEN = 'exchange = "kraken"'


class MarketServers:
    """Both servers, started once a settings file needs them. Their last candles are forming now."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._url_by_usual: dict[str, str] = {}

    def in_place(self, text: str) -> str:
        """`text` with the addresses of these servers in place of the usual ones."""
        if PRACTICE in text:
            text = text.replace(PRACTICE, self._url(PRACTICE))
        if _KRAKEN not in text:
            return text
        return re.sub(f"^{_KRAKEN}$", f'{_KRAKEN}\nurl = "{self._url(_KRAKEN)}"', text, flags=re.MULTILINE)

    def close(self) -> None:
        """Stop the servers."""
        self._stack.close()

    def _url(self, usual: str) -> str:
        if usual not in self._url_by_usual:
            self._url_by_usual[usual] = self._stack.enter_context(_server(usual)).url
        return self._url_by_usual[usual]


def _server(usual: str) -> LoopbackServer:
    pair, timeframe = ("EUR_USD", "H4") if usual == PRACTICE else ("BTC_USDT", "H1")
    candles = bundled_candles(Instrument("EUR_USD"))[:800]
    step = Timeframe(timeframe).duration
    now = Timeframe(timeframe).candle_open(datetime.now(UTC))
    series = {(pair, timeframe): on_slots(candles, timeframe, now - (len(candles) - 1) * step)}
    return OandaServer(series) if usual == PRACTICE else ExchangeServer(series)

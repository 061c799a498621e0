"""The candles of 5 seconds of the rounds, written into a folder or served as OANDA does, and the settings file."""

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from signalpost import Candle, MAUnifiedConfig
from tests.oanda_server import OandaServer

SLOT = timedelta(seconds=5)
HISTORY = 40
CONFIGS = (
    MAUnifiedConfig(pair="EUR_USD", timeframe="S5", fast=1, slow=3, atr_period=3),
    MAUnifiedConfig(pair="GBP_USD", timeframe="S5", fast=2, slow=3, atr_period=2),
    MAUnifiedConfig(pair="USD_JPY", timeframe="S5", fast=1, slow=2, atr_period=4),
)


def candle_at(opened: datetime, pair: str, price: int) -> Candle:
    """A candle that closes at a price in ticks."""
    places = 3 if pair.endswith("JPY") else 5
    close, tick = Decimal(price).scaleb(-places), Decimal(3).scaleb(-places)
    return Candle(time=opened, open=close, high=close + tick, low=close - tick, close=close)


def slot_of(at: datetime) -> datetime:
    """The open of the slot at an instant."""
    return at - timedelta(microseconds=at.microsecond, seconds=at.second % 5)


def settings(url: str = "") -> str:
    """The settings file; with the address of a broker, if any."""
    tables = [
        f'[[strategy]]\npair = "{each.pair}"\ntimeframe = "S5"\nfast = {each.fast}\nslow = {each.slow}\n'
        f'atr_period = {each.atr_period}\nfeed = "files"\nfollow = false\n'
        for each in CONFIGS
    ]
    kind = f'kind = "oanda"\nurl = "{url}"' if url else 'kind = "folder"\npath = "candles"'
    return "\n".join([f'[feeds.files]\n{kind}\ncalendar = "always"\n', *tables])


class Broker:
    """A server that speaks as OANDA does, with candles for the next `slots`."""

    def __init__(self, random: Random, slots: int) -> None:
        first = slot_of(datetime.now(UTC)) - HISTORY * SLOT
        self.candles: dict[str, list[Candle]] = {}
        for config in CONFIGS:
            price = 10_000
            series = self.candles[config.pair] = []
            for place in range(HISTORY + slots):
                price = max(9_000, price + random.choice([-9, -5, 0, 4, 8]))
                series.append(candle_at(first + place * SLOT, config.pair, price))
        self.server = OandaServer({(pair, "S5"): series for pair, series in self.candles.items()})
        self.server.__enter__()

    def stop(self) -> None:
        """It continues, so that the last start gets its candles."""


class Writer:
    """Writes a candle of each pair at the close of each slot, sometimes late, until it is stopped."""

    def __init__(self, folder: Path, random: Random) -> None:
        self._folder = folder
        self._random = random
        self.candles: dict[str, list[Candle]] = {config.pair: [] for config in CONFIGS}
        self._price = dict.fromkeys(self.candles, 10_000)
        now = slot_of(datetime.now(UTC))
        for place in range(HISTORY, 0, -1):
            self._append(now - place * SLOT)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(now,))
        self._thread.start()

    def stop(self) -> None:
        """Write no more."""
        self._stopped.set()
        self._thread.join()

    def _run(self, opened: datetime) -> None:
        while True:
            late = self._random.choice([0.0, 0.0, 0.3, 1.5])
            wait = (opened + SLOT - datetime.now(UTC)).total_seconds() + late
            if self._stopped.wait(max(0.0, wait)):
                return
            self._append(opened)
            opened += SLOT

    def _append(self, opened: datetime) -> None:
        for pair, candles in self.candles.items():
            self._price[pair] = max(9_000, self._price[pair] + self._random.choice([-9, -5, 0, 4, 8]))
            made = candle_at(opened, pair, self._price[pair])
            candles.append(made)
            path = self._folder / f"{pair}_S5.csv"
            is_new = not path.exists()
            with path.open("a", encoding="utf-8") as file:
                if is_new:
                    file.write("time,open,high,low,close\n")
                prices = f"{made.open},{made.high},{made.low},{made.close}"
                file.write(f"{opened:%Y-%m-%dT%H:%M:%SZ},{prices}\n")

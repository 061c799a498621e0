"""The bundled real candles: seven currency pairs, H4, January 2020 to March 2022.

Their source and licence are in `data/mt5_h4/NOTICE`.
"""

from functools import lru_cache
from importlib.resources import as_file, files

from signalpost.domain.candle import Candle
from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import InvalidConfiguration
from signalpost.trading.feeds.candle_file import read_candle_file
from signalpost.trading.feeds.new_york_day import DailyCandles, daily_candles

TIMEFRAME = Timeframe("H4")
_ENDING = f"_{TIMEFRAME}.csv.gz"
_FOLDER = files("signalpost") / "data" / "mt5_h4"


@lru_cache(maxsize=1)
def bundled_pairs() -> tuple[Instrument, ...]:
    """The pairs with bundled candles."""
    names = sorted(entry.name for entry in _FOLDER.iterdir())
    return tuple(Instrument(name.removesuffix(_ENDING)) for name in names if name.endswith(_ENDING))


@lru_cache(maxsize=8)
def bundled_candles(pair: Instrument) -> tuple[Candle, ...]:
    """The H4 candles of one of `bundled_pairs`. Raises InvalidConfiguration for another pair."""
    if pair not in bundled_pairs():
        raise InvalidConfiguration(
            f"there are no bundled candles for {pair}: choose one of {', '.join(bundled_pairs())}",
            code="unknown-word",
            field="pair",
            value=str(pair),
            limit=", ".join(bundled_pairs()),
        )
    with as_file(_FOLDER / f"{pair}{_ENDING}") as path:
        return read_candle_file(path, timeframe=TIMEFRAME, pair=pair).candles


@lru_cache(maxsize=8)
def bundled_days(pair: Instrument) -> DailyCandles:
    """The daily candles of one of `bundled_pairs`, built from its H4 candles by the New York day."""
    return daily_candles(bundled_candles(pair), TIMEFRAME)

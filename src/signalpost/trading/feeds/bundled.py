"""The real candles that come with signalpost: seven currency pairs, H4, January 2020 to March 2022.

Where they come from and under which licence: `data/mt5_h4/NOTICE`.
"""

from functools import lru_cache
from importlib.resources import as_file, files

from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.trading.feeds.candle_file import CandleFile, read_candle_file

TIMEFRAME = Timeframe("H4")
_ENDING = f"_{TIMEFRAME}.csv.gz"
_FOLDER = files("signalpost") / "data" / "mt5_h4"


@lru_cache(maxsize=1)
def bundled_pairs() -> tuple[Instrument, ...]:
    """The pairs whose candles are bundled."""
    names = sorted(entry.name for entry in _FOLDER.iterdir())
    return tuple(Instrument(name.removesuffix(_ENDING)) for name in names if name.endswith(_ENDING))


def bundled_candles(pair: Instrument) -> CandleFile:
    """The H4 candles of one of `bundled_pairs`."""
    with as_file(_FOLDER / f"{pair}{_ENDING}") as path:
        return read_candle_file(path, timeframe=TIMEFRAME, pair=pair)

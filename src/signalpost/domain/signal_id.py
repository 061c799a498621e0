"""The default id of a signal. Pure."""

from functools import lru_cache
from typing import TYPE_CHECKING

from signalpost.domain.identity import slug
from signalpost.domain.instant import compact

if TYPE_CHECKING:
    from signalpost.domain.signal import Signal

NO_STRATEGY = "signal"
"""The strategy in the id of a signal without one."""


def derived_id(signal: "Signal", strategy: str, symbol: str) -> str:
    """The default id of `signal`: its strategy's slug, symbol, timeframe if it has one, side and candle."""
    timeframe = "" if signal.timeframe is None else f"{signal.timeframe}:"
    return f"{strategy}:{symbol}:{timeframe}{signal.signal_type}:{compact(signal.timestamp)}"


@lru_cache(maxsize=256)
def strategy_slug(name: str) -> str:
    """A strategy's name in signal ids: `MA Unified Strategy` becomes `ma-unified`."""
    return slug(name).removesuffix("-strategy")

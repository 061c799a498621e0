"""Many strategies over their candles at once, in the order in which the market made the candles known."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from heapq import merge
from itertools import groupby
from typing import NamedTuple

from signalpost.domain.candle import Candle
from signalpost.domain.timeframe import Timeframe


class Closed(NamedTuple):
    """A candle that has just closed, and whose it is."""

    at: datetime
    key: str
    candle: Candle


def closes(
    candles_by_key: Mapping[str, tuple[Timeframe, Sequence[Candle]]],
) -> Iterator[tuple[datetime, list[Closed]]]:
    """Each instant at which candles close, oldest first, with those candles in the order of their keys."""
    streams = (_stream(key, timeframe, candles) for key, (timeframe, candles) in candles_by_key.items())
    for at, closed in groupby(merge(*streams, key=lambda each: (each.at, each.key)), key=lambda each: each.at):
        yield at, list(closed)


def _stream(key: str, timeframe: Timeframe, candles: Sequence[Candle]) -> Iterator[Closed]:
    for candle in candles:
        yield Closed(candle.time + timeframe.duration, key, candle)

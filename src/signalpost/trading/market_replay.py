"""Merges the candles of many streams in the order of their closes, as a live market would."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from heapq import merge
from itertools import groupby
from typing import NamedTuple

from signalpost.domain.candle import Candle
from signalpost.domain.timeframe import Timeframe


class Closed(NamedTuple):
    """A candle that has just closed, with the key of its stream."""

    at: datetime
    key: str
    candle: Candle


def closes(
    candles_by_key: Mapping[str, tuple[Timeframe, Sequence[Candle]]],
) -> Iterator[tuple[datetime, list[Closed]]]:
    """Yield each instant at which candles close, oldest first, with those candles sorted by key."""
    streams = (_stream(key, timeframe, candles) for key, (timeframe, candles) in candles_by_key.items())
    for at, closed in groupby(merge(*streams, key=lambda each: (each.at, each.key)), key=lambda each: each.at):
        yield at, list(closed)


def _stream(key: str, timeframe: Timeframe, candles: Sequence[Candle]) -> Iterator[Closed]:
    for candle in candles:
        yield Closed(candle.time + timeframe.duration, key, candle)

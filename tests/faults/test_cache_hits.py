"""After each restart, the states of all streams come from the cache, by the server's own count of its reads."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from signalpost import MAUnifiedConfig
from signalpost.domain.ledger import StreamState
from signalpost.testing.manual_clock import ManualClock
from signalpost.trading.cache import StateCache
from signalpost.trading.processor import Cycle, StateFrom
from signalpost.trading.redis_cache import RedisCache
from signalpost.trading.round import Round
from signalpost.trading.round_cache import RoundCache
from tests.faults.valkey_server import PrivateValkey
from tests.size import size
from tests.unit.delivery.intake_harness import IntakeHarness
from tests.unit.trading.stream_harness import HOUR, START, StreamHarness, candle

CONFIGS = [
    MAUnifiedConfig(pair=pair, timeframe="H1", fast=1, slow=2, atr_period=2)
    for pair in ("EUR_USD", "GBP_USD", "AUD_USD", "NZD_USD")
]
RESTARTS = size(30, 100)
CRASHES_EVERY = 25
"""Some processes die between the commit and the write to the cache, so their copies are outdated."""


class DiesBeforeWriting(RedisCache):
    """The cache of a process that dies after its commit."""

    async def write(self, states: Iterable[StreamState]) -> None: ...


class Streams:
    """All streams of a folder, whose processes end again and again."""

    def __init__(self, server: PrivateValkey) -> None:
        self._server = server
        self._store = IntakeHarness()
        self._candles = [candle(START + place * HOUR, f"1.{4 + place % 2}") for place in range(4)]

    async def live(self, *, crashes: bool) -> list[Cycle]:
        """The cycles of a process that takes one candle of each stream."""
        redis = (DiesBeforeWriting if crashes else RedisCache)(self._server.url, "folder")
        together = Round()
        cache = RoundCache(redis, [config.stream for config in CONFIGS], together)
        opened = self._candles[-1].time + HOUR
        self._candles.append(candle(opened, f"1.{4 + opened.hour % 2}"))
        with ManualClock(opened + timedelta(hours=1, seconds=1)):
            cycles = await asyncio.gather(*(self._cycle(config, cache, together) for config in CONFIGS))
            await cache.close()
        return cycles

    async def _cycle(self, config: MAUnifiedConfig, cache: StateCache, together: Round) -> Cycle:
        stream = StreamHarness(self._candles, config=config, cache=cache, store=self._store)
        with together.at_work():
            return await stream.processor.cycle(self._candles[-1].time + HOUR)


async def test_over_nine_of_ten_reads_are_hits(tmp_path: Path) -> None:
    server = PrivateValkey(tmp_path)
    server.start()
    try:
        streams = Streams(server)
        assert {each.state_from for each in await streams.live(crashes=False)} == {StateFrom.ORIGIN}
        is_outdated = False
        for number in range(1, RESTARTS + 1):
            crashes = number % CRASHES_EVERY == 0
            expected = StateFrom.STORE if is_outdated else StateFrom.CACHE
            assert {each.state_from for each in await streams.live(crashes=crashes)} == {expected}, number
            is_outdated = crashes
        stats = server.call("INFO", "stats")
        assert stats["keyspace_hits"] / (stats["keyspace_hits"] + stats["keyspace_misses"]) > 0.9
        assert server.calls("mget") == 1 + RESTARTS, "one command reads the states of all streams"
        assert server.calls("mset") == 1 + RESTARTS - RESTARTS // CRASHES_EVERY, "and one writes them"
        assert server.calls("get") == server.calls("set") == 0
    finally:
        server.kill()

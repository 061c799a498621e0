"""One read for all streams at the start, one write for all that are due together."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from signalpost.domain.ledger import StreamState
from signalpost.testing.virtual_loop import run_virtual
from signalpost.trading.round import Round
from signalpost.trading.round_cache import RoundCache


class CountingCache:
    """A cache in memory that lists its calls."""

    trouble: str | None = "away"

    def __init__(self) -> None:
        self.states: dict[str, StreamState] = {}
        self.reads: list[Sequence[str]] = []
        self.writes: list[list[str]] = []
        self.is_closed = False

    async def read(self, streams: Sequence[str]) -> Mapping[str, StreamState]:
        self.reads.append(streams)
        await asyncio.sleep(0.1)
        return {name: self.states[name] for name in streams if name in self.states}

    async def write(self, states: Iterable[StreamState]) -> None:
        await asyncio.sleep(0.1)
        self.writes.append([each.stream for each in states])

    async def close(self) -> None:
        self.is_closed = True


def state(stream: str, hour: int = 0) -> StreamState:
    return StreamState(stream, "f", datetime(2026, 1, 5, hour, tzinfo=UTC), b"{}")


def test_all_streams_are_read_at_once_and_later_each_for_itself() -> None:
    async def main() -> None:
        cache = CountingCache()
        cache.states = {name: state(name) for name in "ab"}
        rounds = RoundCache(cache, ["a", "b", "c"], Round())
        found = await asyncio.gather(*(rounds.read((name,)) for name in "abc"))
        assert found == [{"a": state("a")}, {"b": state("b")}, {}]
        assert await rounds.read(("a",)) == {"a": state("a")}
        assert cache.reads == [("a", "b", "c"), ("a",)]
        assert rounds.trouble == "away"
        await rounds.close()
        assert cache.is_closed

    run_virtual(main())


def test_streams_at_work_together_are_written_together() -> None:
    async def main() -> None:
        cache = CountingCache()
        together = Round()
        rounds = RoundCache(cache, [], together)

        async def work(name: str, seconds: float) -> None:
            with together.at_work():
                await asyncio.sleep(seconds)
                await rounds.write([state(name)])

        await asyncio.gather(work("a", 0.01), work("b", 0.02), work("c", 0.02))
        await asyncio.sleep(0.2)
        assert cache.writes == [["a", "b", "c"]]
        await rounds.close()

    run_virtual(main())


def test_a_stream_that_hangs_delays_the_others_but_little() -> None:
    async def main() -> None:
        cache = CountingCache()
        together = Round()
        rounds = RoundCache(cache, [], together)
        with together.at_work():
            with together.at_work():
                await rounds.write([state("a")])
            await asyncio.sleep(0.4)
            assert cache.writes == [["a"]]
        assert cache.writes == [["a"]]
        await rounds.close()

    run_virtual(main())


def test_what_comes_during_a_write_is_written_next_and_what_waits_at_the_end_too() -> None:
    async def main() -> None:
        cache = CountingCache()
        together = Round()
        rounds = RoundCache(cache, ["a"], together)
        for name in "ab":
            with together.at_work():
                await rounds.write([state(name)])
                await asyncio.sleep(0)
            await asyncio.sleep(0.04)
        with together.at_work():
            pass
        await rounds.write([state("c")])
        reading = asyncio.create_task(rounds.read(("a",)))
        await asyncio.sleep(0)
        await rounds.close()
        assert cache.writes == [["a"], ["b", "c"]]
        await asyncio.gather(reading, return_exceptions=True)

    run_virtual(main())


def test_closes_that_were_not_saved_are_counted_until_the_cache_has_caught_up() -> None:
    async def main() -> None:
        cache = CountingCache()
        cache.trouble = None
        rounds = RoundCache(cache, [], Round())
        assert rounds.closes_behind is None
        behind = []
        for hour, trouble in enumerate((None, "away", "away", None)):
            cache.trouble = trouble
            await rounds.write([state("a", hour)])
            await asyncio.sleep(1)
            behind.append(rounds.closes_behind)
        assert behind == [0, 1, 2, 0]
        cache.trouble = "away"
        await rounds.write([state("a", 4)])
        await asyncio.sleep(1)
        cache.trouble = None  # it wrote what waited
        assert rounds.closes_behind == 0
        await rounds.close()

    run_virtual(main())


def test_each_stream_counts_its_own_closes_and_a_corrected_candle_is_none() -> None:
    async def main() -> None:
        rounds = RoundCache(CountingCache(), [], Round())
        behind = []
        for stream, hour in (("a", 0), ("b", 0), ("a", 1), ("a", 1), ("b", 1), ("b", 2)):
            await rounds.write([state(stream, hour)])
            await asyncio.sleep(1)
            behind.append(rounds.closes_behind)
        assert behind == [1, 1, 2, 2, 2, 3]
        await rounds.close()

    run_virtual(main())

"""Every feed keeps the promises of the port. A feed's case makes it with the given candles, at the installed clock."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from signalpost import clock
from signalpost.domain.candle import Candle
from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import FeedFailed
from signalpost.secret import Secret
from signalpost.testing.manual_clock import ManualClock
from signalpost.trading.calendar import FX
from signalpost.trading.feeds import FEEDS
from signalpost.trading.feeds.bundled import bundled_candles
from signalpost.trading.feeds.exchange import ExchangeFeed
from signalpost.trading.feeds.folder import FolderFeed
from signalpost.trading.feeds.oanda import OandaFeed
from signalpost.trading.feeds.port import Feed, Fetched
from signalpost.trading.feeds.replay import ReplayFeed
from tests.exchange_server import ExchangeServer
from tests.loopback_server import Fault
from tests.oanda_server import OandaServer

PAIR, H4 = Instrument("EUR_USD"), Timeframe("H4")
CANDLES = tuple(
    candle for candle in bundled_candles(PAIR) if "2021-01-20" <= candle.time.date().isoformat() <= "2021-02-03"
)
"""Real ones over two weekends. All times of this feed are those of OANDA, too: from 17:00 in New York."""
FRIDAY = next(number for number, candle in enumerate(CANDLES) if CANDLES[number + 1].time - candle.time != H4.duration)
SECOND = timedelta(seconds=1)
IN_TIME = timedelta(minutes=1)
"""A closed candle is in the answer at the latest so long after its close."""

Case = Callable[[Path, Sequence[Candle]], AbstractAsyncContextManager[Feed]]
"""Makes the feed with the candles of PAIR and H4. The path is an empty folder."""


def write(path: Path, candles: Sequence[Candle]) -> None:
    rows = [(each.time, each.open, each.high, each.low, each.close, each.volume) for each in candles]
    lines = ["time,open,high,low,close,volume", *(",".join(map(str, row)) for row in rows)]
    path.write_text("".join(f"{line}\n" for line in lines))


class _WrittenFolder(FolderFeed):
    """A folder to which another program writes each candle once it has opened."""

    def __init__(self, path: Path, candles: Sequence[Candle]) -> None:
        super().__init__(name="mine", calendar=FX, path=path)
        self._file, self._all = path / f"{PAIR}_{H4}.csv", candles
        self._written: list[Candle] | None = None

    async def fetch(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime | None = None, limit: int = 500
    ) -> Fetched:
        opened = [candle for candle in self._all if candle.time <= clock.now()]
        if opened != self._written:
            self._written = opened
            write(self._file, opened)
        return await super().fetch(pair, timeframe, since=since, limit=limit)


@asynccontextmanager
async def _folder(path: Path, candles: Sequence[Candle]) -> AsyncIterator[Feed]:
    yield _WrittenFolder(path, candles)


@asynccontextmanager
async def _replay(_: Path, candles: Sequence[Candle]) -> AsyncIterator[Feed]:
    yield ReplayFeed(name="mine", calendar=FX, candles={(PAIR, H4): candles})


@asynccontextmanager
async def _oanda(_: Path, candles: Sequence[Candle]) -> AsyncIterator[Feed]:
    async with OandaServer({(PAIR, H4): candles}, now=clock.now) as server:
        feed = OandaFeed(name="mine", calendar=FX, url=server.url, token=Secret(server.token))
        try:
            yield feed
        finally:
            await feed.close()


@asynccontextmanager
async def _exchange(_: Path, candles: Sequence[Candle]) -> AsyncIterator[Feed]:
    async with ExchangeServer({(PAIR, H4): candles}, now=clock.now) as server:
        feed = ExchangeFeed(name="mine", calendar=FX, exchange="binance", url=server.url)
        try:
            yield feed
        finally:
            await feed.close()


@asynccontextmanager
async def _oanda_is_away(_: Path, candles: Sequence[Candle]) -> AsyncIterator[Feed]:
    async with OandaServer({(PAIR, H4): candles}, now=clock.now) as server:
        server.outage = Fault(503)
        yield OandaFeed(name="mine", calendar=FX, url=server.url, token=Secret(server.token))


@asynccontextmanager
async def _exchange_is_away(_: Path, candles: Sequence[Candle]) -> AsyncIterator[Feed]:
    async with ExchangeServer({(PAIR, H4): candles}, now=clock.now) as server:
        server.outage = Fault(503)
        yield ExchangeFeed(name="mine", calendar=FX, exchange="binance", url=server.url)


@asynccontextmanager
async def _folder_of_rubbish(path: Path, _: Sequence[Candle]) -> AsyncIterator[Feed]:
    (path / f"{PAIR}_{H4}.csv").write_text("time,open,high,low,close\nnow,1,2,3,4\n")
    yield FolderFeed(name="mine", calendar=FX, path=path)


@asynccontextmanager
async def _missing_folder(path: Path, _: Sequence[Candle]) -> AsyncIterator[Feed]:
    yield FolderFeed(name="mine", calendar=FX, path=path / "none")


CASES: dict[str, Case] = {"ccxt": _exchange, "folder": _folder, "oanda": _oanda, "replay": _replay}
FAILING: dict[str, Case] = {
    "folder of rubbish": _folder_of_rubbish,
    "missing folder": _missing_folder,
    "OANDA is away": _oanda_is_away,
    "exchange is away": _exchange_is_away,
}

every_feed = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


@pytest.fixture(autouse=True)
def manual_clock() -> Iterator[ManualClock]:
    with ManualClock(CANDLES[-1].time + H4.duration + IN_TIME) as manual:
        yield manual


def opens(candles: Sequence[Candle]) -> list[datetime]:
    return [candle.time for candle in candles]


def test_every_feed_has_a_case() -> None:
    assert CASES.keys() == FEEDS.keys()


@every_feed
async def test_a_feed_answers_with_every_candle_in_order(case: Case, tmp_path: Path) -> None:
    async with case(tmp_path, CANDLES) as feed:
        fetched = await feed.fetch(PAIR, H4, since=CANDLES[0].time)
        assert fetched.candles == CANDLES
        assert not fetched.is_more
        assert feed.name == "mine"


@every_feed
async def test_a_long_answer_is_cut_and_continued_from_its_last_candle(case: Case, tmp_path: Path) -> None:
    async with case(tmp_path, CANDLES) as feed:
        found, since = list[Candle](), CANDLES[0].time
        while True:
            fetched = await feed.fetch(PAIR, H4, since=since, limit=7)
            assert not found or fetched.candles[0] == found[-1], "the first one is that at `since`"
            assert len(fetched.candles) == 7 or not fetched.is_more
            assert not (fetched.is_more and fetched.forming)
            found += fetched.candles[1 if found else 0 :]
            since = found[-1].time
            if not fetched.is_more:
                break
        assert tuple(found) == CANDLES


@every_feed
@pytest.mark.parametrize(("wanted", "is_more"), [(9, True), (10, False), (11, False)])
async def test_it_is_known_whether_there_are_more(case: Case, tmp_path: Path, wanted: int, *, is_more: bool) -> None:
    async with case(tmp_path, CANDLES) as feed:
        fetched = await feed.fetch(PAIR, H4, since=CANDLES[-10].time, limit=wanted)
        assert fetched.candles == CANDLES[-10:][:wanted]
        assert fetched.is_more is is_more


@every_feed
async def test_candles_from_between_two_opens_begin_with_the_later(case: Case, tmp_path: Path) -> None:
    async with case(tmp_path, CANDLES) as feed:
        assert (await feed.fetch(PAIR, H4, since=CANDLES[4].time + SECOND)).candles == CANDLES[5:]
        assert (await feed.fetch(PAIR, H4, since=CANDLES[FRIDAY].time + SECOND)).candles == CANDLES[FRIDAY + 1 :]
        assert (await feed.fetch(PAIR, H4, since=CANDLES[-1].time + SECOND)).candles == ()


@every_feed
async def test_without_a_start_the_newest_ones_are_answered(case: Case, tmp_path: Path) -> None:
    async with case(tmp_path, CANDLES) as feed:
        assert (await feed.fetch(PAIR, H4, limit=5)).candles == CANDLES[-5:]
        assert (await feed.fetch(PAIR, H4)).candles == CANDLES


@every_feed
async def test_a_candle_is_answered_once_it_has_closed(case: Case, tmp_path: Path, manual_clock: ManualClock) -> None:
    forming = CANDLES[FRIDAY + 3]
    async with case(tmp_path, CANDLES) as feed:
        for ahead in (IN_TIME, H4.duration / 2, H4.duration - SECOND):
            manual_clock.set(forming.time + ahead)
            fetched = await feed.fetch(PAIR, H4, since=CANDLES[FRIDAY].time)
            assert fetched.candles[:3] == CANDLES[FRIDAY : FRIDAY + 3]
            assert forming.time not in opens(fetched.candles)
            assert fetched.forming in {None, forming.time}
        manual_clock.set(forming.time + H4.duration + IN_TIME)
        fetched = await feed.fetch(PAIR, H4, since=CANDLES[FRIDAY].time)
        assert fetched.candles == CANDLES[FRIDAY : FRIDAY + 4]
        assert fetched.forming in {None, CANDLES[FRIDAY + 4].time}


@every_feed
async def test_nothing_of_the_future_is_answered(case: Case, tmp_path: Path, manual_clock: ManualClock) -> None:
    async with case(tmp_path, CANDLES) as feed:
        for number in range(0, len(CANDLES), 5):
            now = CANDLES[number].time + IN_TIME
            manual_clock.set(now)
            for since in (None, CANDLES[0].time):
                fetched = await feed.fetch(PAIR, H4, since=since)
                assert fetched.candles == CANDLES[:number]
                assert all(FX.closes_at(each.time, H4) <= now for each in fetched.candles)
                assert fetched.forming is None or fetched.forming <= now


@every_feed
async def test_on_a_weekend_the_week_is_complete(case: Case, tmp_path: Path, manual_clock: ManualClock) -> None:
    manual_clock.set(CANDLES[FRIDAY].time + H4.duration * 6)
    async with case(tmp_path, CANDLES) as feed:
        fetched = await feed.fetch(PAIR, H4, since=CANDLES[0].time)
        assert fetched.candles == CANDLES[: FRIDAY + 1]
        assert fetched.forming is None


@every_feed
async def test_quotes_are_of_the_same_candles(case: Case, tmp_path: Path) -> None:
    async with case(tmp_path, CANDLES) as feed:
        quotes = await feed.quotes(PAIR, H4, since=CANDLES[2].time, limit=6)
        assert [quote.time for quote in quotes] == opens(CANDLES[2:8])
        for quote, candle in zip(quotes, CANDLES[2:8], strict=True):
            if quote.is_mid:
                assert quote.bid == quote.ask == candle
            assert quote.bid.close <= candle.close <= quote.ask.close
            assert quote.closes_at == FX.closes_at(candle.time, H4)


@every_feed
async def test_many_can_fetch_at_once(case: Case, tmp_path: Path) -> None:
    async with case(tmp_path, CANDLES) as feed:
        answers = await asyncio.gather(*(feed.fetch(PAIR, H4, since=CANDLES[0].time) for _ in range(20)))
        assert {answer.candles for answer in answers} == {CANDLES}


@every_feed
async def test_an_unknown_pair_is_a_failure(case: Case, tmp_path: Path) -> None:
    async with case(tmp_path, CANDLES) as feed:
        with pytest.raises(FeedFailed):
            await feed.fetch(Instrument("XXX_YYY"), H4)


@every_feed
async def test_a_closed_feed_answers_nothing(case: Case, tmp_path: Path) -> None:
    async with case(tmp_path, CANDLES) as feed:
        await feed.fetch(PAIR, H4, limit=3)
        await feed.close()
        await feed.close()
        with pytest.raises(FeedFailed):
            await feed.fetch(PAIR, H4)
        with pytest.raises(FeedFailed):
            await feed.quotes(PAIR, H4, since=CANDLES[0].time)


@pytest.mark.parametrize("case", FAILING.values(), ids=FAILING.keys())
async def test_a_feed_without_a_usable_answer_fails_in_one_way(case: Case, tmp_path: Path) -> None:
    async with case(tmp_path, CANDLES) as feed:
        for _ in range(2):
            with pytest.raises(FeedFailed) as caught:
                await feed.fetch(PAIR, H4)
            assert caught.value.code != "feed-failed", "it says what is wrong"
            with pytest.raises(FeedFailed):
                await feed.quotes(PAIR, H4, since=CANDLES[0].time)
        await feed.close()

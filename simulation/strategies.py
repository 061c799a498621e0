"""The strategies of a simulated process: the real runner, on a feed and a cache that fail.

The feed and the cache outlive a process, as the store does.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice, takewhile
from random import Random

from signalpost import Candle, MAUnifiedStrategy, clock
from signalpost.config.feeds import Candles
from signalpost.delivery.engine import Engine
from signalpost.delivery.routing import Routing
from signalpost.domain.events import Event, Taken
from signalpost.domain.instrument import Instrument
from signalpost.domain.ledger import StreamState
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import FeedFailed
from signalpost.service.away import Away
from signalpost.service.following import FollowedLedger, Follower, FollowPlan, StreamKey
from signalpost.service.standings import Standings
from signalpost.telemetry.bus import Bus
from signalpost.trading.alarm_clock import AlarmClock
from signalpost.trading.calendar import Calendar
from signalpost.trading.feeds.bounded import BoundedFeed
from signalpost.trading.feeds.port import Fetched
from signalpost.trading.feeds.port import Series as Source
from signalpost.trading.incidents import Incidents
from signalpost.trading.outcomes import QuoteCandle
from signalpost.trading.processor import IncrementalSignalProcessor
from signalpost.trading.round import Round
from signalpost.trading.round_cache import RoundCache
from signalpost.trading.runner import StreamRunner
from simulation.candles import CALM, Series
from simulation.life import Life, never
from simulation.recorder import Answered, Recorder


class Market:
    """What feeds and the cache of states have, whichever process runs."""

    def __init__(self, series: Sequence[Series], recorder: Recorder, random: Random) -> None:
        self.series = {(each.config.pair, each.config.timeframe): each for each in series}
        self.recorder = recorder
        self.random = random
        self.copies: dict[str, list[StreamState]] = {}
        """By stream: every copy that was written, oldest first."""
        self.seen: Counter[str] = Counter()
        """What the feed and the cache did to the strategies."""
        self.runners: list[StreamRunner] = []
        """Of all processes."""
        self.is_over = False
        """True once nothing fails any more."""

    @property
    def is_calm(self) -> bool:
        """True while nothing may fail."""
        return self.is_over or self.recorder.clocks.elapsed() < CALM

    def run(self, engine: Engine, routing: Routing, life: Life, bus: Bus) -> None:
        """Start the strategies of a process and its follower, if there are any."""
        if not self.series:
            return
        series = list(self.series.values())
        feeds = {str(each.config.pair): BoundedFeed(SimulatedFeed(self, life, each.calendar)) for each in series}
        plan = FollowPlan(None, {_key_of(each): _followed_by(each) for each in series})
        away = Away(engine.intake, routing, Standings({}, FollowPlan(None, {})))
        used = {each.config.key: Source("simulated", each.config.pair, each.config.timeframe) for each in series}
        incidents = Incidents((), used)
        together, alarms = Round(), AlarmClock()
        cache = RoundCache(ForgetfulCache(self, life), [each.config.stream for each in series], together)
        ledger = FollowedLedger(engine.intake, plan, together)
        life.spawn(away.run())
        for each in series:
            feed, strategy = feeds[str(each.config.pair)], MAUnifiedStrategy(each.config)
            processor = IncrementalSignalProcessor(strategy, feed, ledger, cache, history=30, tiers=each.tiers)
            runner = StreamRunner(
                each.config.key,
                processor,
                incidents,
                bus.emit,
                on_missed=away.missed,
                at_work=together.at_work,
                alarms=alarms,
            )
            self.runners.append(runner)
            life.spawn(runner.run())
        follower = QuickFollower(
            engine.intake, feeds, plan, incidents, bus.emit, alarms=alarms, step=None, together=together
        )
        bus.subscribe(follower.listen)
        life.spawn(follower.run())


class QuickFollower(Follower):
    """Reads the book only after news: reading it every 10 seconds would take most of the time of a run."""

    _has_news = True

    def listen(self, event: Event) -> None:
        """Remember that the book has changed."""
        super().listen(event)
        self._has_news |= isinstance(event, Taken)

    async def _read_book(self) -> None:
        if self._has_news:
            self._has_news = False
            try:
                await super()._read_book()
            except BaseException:
                self._has_news = True
                raise


def _key_of(series: Series) -> StreamKey:
    return StreamKey(series.config.strategy_name, series.config.pair, series.config.timeframe)


def _followed_by(series: Series) -> Candles:
    return Candles(str(series.config.pair), Timeframe(series.followed_by))


class SimulatedFeed:
    """Shows the candles of a run by a clock of its own, cut into pages, and fails at times."""

    def __init__(self, market: Market, life: Life, calendar: Calendar) -> None:
        self.name, self.calendar = "simulated", calendar
        self._market = market
        self._life = life

    async def fetch(
        self, pair: Instrument, timeframe: Timeframe, *, since: datetime | None = None, limit: int = 500
    ) -> Fetched:
        """The candles that it shows now. Raises FeedFailed, and other errors."""
        if self._life.is_dead:
            await never()
        asked = clock.now()
        await self._fail()
        series, recorder = self._market.series[pair, timeframe], self._market.recorder
        ahead = 0.0 if self._market.is_calm else self._market.random.choice((0.0, 0.0, 0.0, 30.0, 100.0, 600.0))
        found, forming = series.visible(recorder.clocks.moment().at + timedelta(seconds=ahead))
        page = [each for each in found if since is None or each.time >= since]
        most = limit if since is None or self._market.is_calm else self._market.random.choice((limit, limit, 4, 5))
        page = page[-limit:] if since is None else page[:most]
        is_more = since is not None and bool(page) and page[-1] is not found[-1]
        self._market.seen.update({"clock of the feed ahead": ahead > 0, "several pages": is_more})
        recorder.of_streams.append(Answered(series.config.stream, self._life.number, asked, tuple(page)))
        return Fetched(tuple(self._repeated(page)), None if is_more else forming, is_more)

    async def quotes(
        self,
        pair: Instrument,
        timeframe: Timeframe,  # noqa: ARG002  # it is that of the candles by which the pair is followed
        *,
        since: datetime,
        limit: int = 500,
    ) -> tuple[QuoteCandle, ...]:
        """The final candles that it shows now, with mid prices. Raises FeedFailed, and other errors."""
        if self._life.is_dead:
            await never()
        await self._fail()
        (series,) = (each for each in self._market.series.values() if each.config.pair == pair)
        now, random = self._market.recorder.clocks.moment().at, self._market.random
        shown = takewhile(lambda each: each.shown <= now, series.settled)
        most = limit if self._market.is_calm else random.choice((limit, limit, 4, 5))
        page = islice((each for each in shown if each.candle.time >= since), most)
        return tuple(QuoteCandle(each.candle, each.candle, each.closes, is_mid=True) for each in page)

    async def close(self) -> None:
        """Nothing to close."""

    async def _fail(self) -> None:
        random = self._market.random
        if self._market.is_calm or (roll := random.random()) > 0.3:
            return
        fault = "hangs" if roll < 0.03 else "raises" if roll < 0.1 else "fails" if roll < 0.2 else "slow"
        self._market.seen[fault] += 1
        if fault == "hangs":
            await asyncio.get_running_loop().create_future()
        if fault == "raises":
            raise OSError("the connection was reset")
        if fault == "fails":
            wait = random.choice((None, 2.0, 300.0))
            raise FeedFailed("the feed does not answer", code="unavailable", retry_after=wait)
        await asyncio.sleep(random.uniform(0, 20))

    def _repeated(self, page: Sequence[Candle]) -> Iterable[Candle]:
        """Sometimes one candle comes twice."""
        twice = self._market.random.randrange(40)
        return [each for number, each in enumerate(page) for _ in range(1 + (number == twice))]


class ForgetfulCache:
    """Forgets copies, and returns outdated or foreign ones."""

    trouble = None

    def __init__(self, market: Market, life: Life) -> None:
        self._market = market
        self._life = life

    async def read(self, streams: Sequence[str]) -> Mapping[str, StreamState]:
        """Some copies of these streams, perhaps the wrong ones."""
        await asyncio.sleep(self._market.random.choice((0.0, 0.2)))
        known = {name: self._market.copies[name] for name in streams if name in self._market.copies}
        return {name: self._read(name, copies) for name, copies in known.items() if self._market.random.random() < 0.8}

    def _read(self, name: str, copies: Sequence[StreamState]) -> StreamState:
        random, (*_, newest) = self._market.random, copies
        if random.random() < 0.6:
            return newest
        self._market.seen["copy outdated or foreign"] += 1
        others = [each[-1] for each in self._market.copies.values()]
        return random.choice((random.choice(copies), random.choice(others)._replace(stream=name)))

    async def write(self, states: Iterable[StreamState]) -> None:
        """Save copies, or forget everything."""
        if self._life.is_dead:
            await never()
        if self._market.random.random() < 0.05:
            self._market.seen["copies forgotten"] += 1
            self._market.copies.clear()
            return
        for state in states:
            self._market.copies.setdefault(state.stream, []).append(state)

    async def close(self) -> None:
        """Nothing to close."""

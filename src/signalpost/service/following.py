"""Follows the live signals of the book by the candles of feeds, for the owner of a store.

See docs/why/0036-live-signals-are-followed.md.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from signalpost import clock
from signalpost.config.feeds import Candles
from signalpost.delivery.intake import Intake
from signalpost.delivery.kept_task import KeptTask
from signalpost.delivery.outbox.book import FindTrades
from signalpost.domain.events import Event, Listener, Taken, emit_each, hears
from signalpost.domain.instrument import Instrument
from signalpost.domain.ledger import StreamState, Unpublished
from signalpost.domain.notification import NEW
from signalpost.domain.price_step import PriceStep
from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Ticket
from signalpost.domain.tier import UserTier
from signalpost.domain.timeframe import Timeframe
from signalpost.domain.trade import FollowState, Trade
from signalpost.errors import CommandFailed, FeedFailed, StoreFailed
from signalpost.secret import redacted
from signalpost.telemetry.log_queue import logger
from signalpost.trading.alarm_clock import AlarmClock
from signalpost.trading.feeds.port import Feed, Series
from signalpost.trading.incidents import Incidents
from signalpost.trading.lives import Life, advance
from signalpost.trading.outcomes import QuoteCandle, begin, reverses
from signalpost.trading.round import Round
from signalpost.trading.schedule import Slot, next_look, retry_of_feed
from signalpost.trading.watchdogs import FeedAnswer

_LOOK_EVERY = 10.0
"""Seconds after which the book is read again: another process may have opened a trade."""
_LONGEST_SLEEP = 60.0
"""Seconds after which the time is read again, because the clock may have been set."""
_AFTER_STORE_FAILED = timedelta(seconds=5)
_JUST_BEFORE = timedelta(microseconds=1)
_BOOK = "following: the book"
"""The name of the task that looks for new trades."""


class StreamKey(NamedTuple):
    """Identifies the strategy of a signal."""

    strategy_name: str | None
    pair: Instrument
    timeframe: Timeframe | None


class FollowPlan:
    """Which candles follow a signal: those of its strategy, or `others` if no strategy here made it.

    The signals of a strategy without candles are not followed.
    """

    def __init__(self, others: Candles | None, strategies: Mapping[StreamKey, Candles | None]) -> None:
        self._others = others
        self._strategies = strategies

    def is_of_strategy(self, signal: Signal) -> bool:
        """True if a strategy that runs here made the signal."""
        return StreamKey(signal.strategy_name, signal.pair, signal.timeframe) in self._strategies

    def source_of(self, signal: Signal) -> Series | None:
        """The candles by which a signal is followed; None if it is not."""
        key = StreamKey(signal.strategy_name, signal.pair, signal.timeframe)
        candles = self._strategies.get(key, self._others)
        return None if candles is None else Series(candles.feed, signal.pair, candles.timeframe)


class FollowedLedger:
    """A ledger that adds, to each new signal that is followed, the number of the older trade that its fill will end.

    States without signals are saved together with those of other streams of the round.
    """

    def __init__(self, intake: Intake, plan: FollowPlan, together: Round) -> None:
        self._intake = intake
        self._plan = plan
        self._round = together
        self.load_state = intake.load_state
        self.revise = intake.revise

    async def commit(
        self,
        state: StreamState,
        signals: Sequence[Signal],
        *,
        tiers: Sequence[UserTier | str] = (),
        unpublished: Sequence[Unpublished] = (),
    ) -> list[Ticket]:
        """As the intake does. Raises StoreFailed."""
        if not signals and not unpublished:
            await self._round.together()
        readers = frozenset(map(UserTier, tiers)) or {UserTier.FREE}
        closes = {each.signal_id: number for each in signals if (number := await self._reversed(each, readers))}
        return await self._intake.commit(state, signals, tiers, unpublished=unpublished, closes=closes)

    async def _reversed(self, signal: Signal, readers: Collection[UserTier]) -> int | None:
        """The number of the newest trade that a signal will end; None if its readers do not know that trade."""
        if self._plan.source_of(signal) is None:
            return None
        live = await self._intake.find(FindTrades(only_live=True, pair=signal.pair))
        found = next((each.trade for each in live if reverses(signal, each.trade)), None)
        return found.number if found is not None and {*readers} <= {*found.tiers} else None


class _Place(NamedTuple):
    """Up to which candle a source was followed."""

    watermark: datetime | None = None
    """The open of the newest candle. If the feed has none, where it would be if candles opened as Timeframe says."""
    slot: Slot | None = None
    failures: int = 0


class _Stream:
    """The task that follows a source."""

    def __init__(self, newest: int) -> None:
        self.newest = newest
        """The number of its newest trade."""
        self.began = clock.now()
        self.place = _Place()
        self.task: KeptTask


class Follower:
    """Follows all live signals that the plan has candles for: one task for each source, while it has live trades.

    `feeds` has those of the plan. They raise only FeedFailed, and do not hang. Its tasks sleep in `alarms`. There is a
    price note whenever the price of a trade has moved by `step`. Candles that change no trade are saved together with
    others of the round.
    """

    def __init__(
        self,
        intake: Intake,
        feeds: Mapping[str, Feed],
        plan: FollowPlan,
        incidents: Incidents,
        emit: Listener,
        *,
        alarms: AlarmClock,
        step: PriceStep | None,
        together: Round,
    ) -> None:
        self._intake = intake
        self._feeds = feeds
        self._plan = plan
        self._incidents = incidents
        self._emit = emit
        self._step = step
        self._round = together
        self._streams: dict[Series, _Stream] = {}
        self._alarms = alarms
        self._alarms.enter(_BOOK)

    @hears(Taken)
    def listen(self, event: Event) -> None:
        """Look for new trades soon. A listener of the bus."""
        if isinstance(event, Taken) and event.notification.event == NEW:
            self._alarms.ring(_BOOK)

    def places(self) -> Iterator[tuple[Series, datetime | None, datetime]]:
        """Each source that is followed, the open of its newest candle, if there is one, and since when."""
        for source, stream in self._streams.items():
            yield source, stream.place.watermark, stream.began

    async def run(self) -> None:
        """Follow until cancelled."""
        is_first = True
        try:
            while True:
                self._alarms.enter(_BOOK)
                with suppress(StoreFailed, CommandFailed):
                    await self._read_book()
                    if is_first:  # a trade that ended meanwhile needs no candles
                        emit_each(self._emit, self._incidents.only(self._streams, clock.now()))
                        is_first = False
                await self._alarms.sleep_until(_BOOK, None, _LOOK_EVERY)
        finally:
            streams, self._streams = self._streams, {}
            await asyncio.gather(*(each.task.end() for each in streams.values()))
            for source in streams:
                self._alarms.leave(_name(source))

    async def _read_book(self) -> None:
        entries = await self._intake.find(FindTrades(only_live=True))
        for entry in reversed(entries):
            self._join(entry.trade)
        live = {self._plan.source_of(entry.trade.signal) for entry in entries}
        for source in [each for each in self._streams if each not in live]:
            self._alarms.ring(_name(source))  # its last trade ended while it waited

    def _join(self, trade: Trade) -> None:
        """Follow a trade with the others of its source. The first candles of a new one may have closed already."""
        if (source := self._plan.source_of(trade.signal)) is None:
            return
        stream = self._streams.get(source)
        if stream is None:
            self._alarms.enter(_name(source))
            self._streams[source] = stream = _Stream(trade.number)
            stream.task = KeptTask(_name(source), partial(self._follow, source, stream), self._emit)
        elif trade.number > stream.newest:
            stream.newest = trade.number
            self._alarms.ring(_name(source))

    async def _follow(self, source: Series, stream: _Stream) -> None:
        """Take each candle of a source, as long as it has live trades."""
        while True:
            self._alarms.enter(_name(source))
            at = clock.now() + _AFTER_STORE_FAILED
            with suppress(StoreFailed, CommandFailed), self._round.at_work():
                lives = await self._lives(source)
                if not lives:
                    del self._streams[source]
                    self._alarms.leave(_name(source))
                    emit_each(self._emit, self._incidents.left(source, _name(source), clock.now()))
                    return
                stream.place, at = await self._look(source, stream.place, lives)
            is_rung = False
            while not is_rung and at > clock.now():
                emit_each(self._emit, self._incidents.waits(_name(source), clock.now()))
                is_rung = await self._alarms.sleep_until(_name(source), at, _LONGEST_SLEEP)

    async def _lives(self, source: Series) -> list[Life]:
        """The live trades of a source, oldest first."""
        found = await self._intake.find(FindTrades(only_live=True, pair=source.pair))
        trades = [entry.trade for entry in reversed(found) if self._plan.source_of(entry.trade.signal) == source]
        return [Life(trade, trade.followed or self._begun(trade, source)) for trade in trades]

    def _begun(self, trade: Trade, source: Series) -> FollowState:
        return begin(trade, source.timeframe, by_strategy=self._plan.is_of_strategy(trade.signal))

    async def _look(self, source: Series, place: _Place, lives: Sequence[Life]) -> tuple[_Place, datetime]:
        """Take the candles that have closed, and return the place after them, and when to look again."""
        feed, length = self._feeds[source.feed], source.timeframe
        since = min(life.state.since for life in lives)
        # The candles before the first one show at which times they open.
        earlier = 2 * length.duration if place.watermark is None else timedelta(0)
        began = clock.now()
        try:
            found = await feed.quotes(source.pair, length, since=since - earlier)
        except FeedFailed as fault:
            return self._failed(source, place, fault)
        now = clock.now()
        emit_each(self._emit, self._incidents.worked(source, _name(source), now))
        closes_at = feed.calendar.closes_at
        candles = [each._replace(closes_at=closes_at(each.time, length)) for each in found]
        taken = [each for each in candles if each.closes_at <= now]  # our clock may be behind
        if taken and not await self._save(lives, taken, now):
            return place._replace(failures=0), now  # one of the trades has changed: apply the candles to the new state
        watermark = taken[-1].time if taken else place.watermark or length.candle_open(since - _JUST_BEFORE)
        oldest = next((each.time for each in taken if place.watermark is None or each.time > place.watermark), None)
        answer = FeedAnswer(source, _name(source), feed.calendar, watermark, oldest, began)
        emit_each(self._emit, self._incidents.answered(answer))
        look = next_look(place.slot, watermark, None, now, feed.calendar, length)
        is_behind = bool(taken) and look.slot is not None and look.slot.due <= now
        return _Place(watermark, look.slot), now if is_behind else look.at

    def _failed(self, source: Series, place: _Place, fault: FeedFailed) -> tuple[_Place, datetime]:
        """The place after a failure of a feed, and when to retry."""
        now, failures = clock.now(), place.failures + 1
        emit_each(self._emit, self._incidents.feed_failed(source, _name(source), redacted(str(fault)), now))
        return place._replace(failures=failures), retry_of_feed(failures, fault.retry_after, place.slot, now)

    async def _save(self, lives: Sequence[Life], candles: Sequence[QuoteCandle], now: datetime) -> bool:
        """Save what candles do to trades. False if one of the trades has changed since. Raises StoreFailed."""
        versions = {life.trade.signal.signal_id: life.trade.version for life in lives}
        done = advance(lives, candles, now, self._step)
        if not done.changes:
            await self._round.together()
        if self._intake.held:
            raise StoreFailed("notifications are not saved yet", code="not-saved-yet")
        states = {life.trade.signal.signal_id: life.state for life in lives}
        if not await self._intake.amendments.follow(done.changes, versions, states, now):
            return False
        for name, fault in done.refused:
            logger.error("a change of %s by a candle was refused: %s", name, fault)
        return True


def _name(source: Series) -> str:
    """The name of a source's stream, also in messages."""
    return f"following {source.pair} {source.timeframe} by {source.feed}"

"""Runs a service on past candles, with a clock that leaps from one close to the next.

The service runs its strategies on its replay feed, and follows their signals, as it does live. The clock leaps once
nothing is at work and everything is delivered, so a signal is as fresh as it was at the time. In between it runs with
real time, so that waits and retries end. See docs/why/0017-a-replay-has-its-own-clock.md.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from time import perf_counter

from signalpost import clock
from signalpost.delivery.outbox.book import FindTrades
from signalpost.domain.candle import Candle
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.events import CandlesTaken, Event, SendBegan, Settled, Taken
from signalpost.domain.notification import COMPANION, NEW, is_chart
from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Outcome
from signalpost.domain.trade import Trade
from signalpost.service import AsyncNotificationService
from signalpost.service.charts import CandleHistory
from signalpost.service.market import Market
from signalpost.trading.market_replay import closes
from signalpost.trading.schedule import GRACE

_LATE = 0.5
"""Seconds behind the pace after which a replay counts as late."""
_SOON = 0.5
"""Seconds within which all but companions are usually delivered."""
_FOR_CHARTS = 0.05
"""The share of its time for which a replay that is late waits for charts."""


class ReplayClock:
    """The replay's time: it is set, and then runs as fast as real time."""

    def __init__(self, start: datetime) -> None:
        self.set_to = start
        self.set_at = perf_counter()

    def now(self) -> datetime:
        """The replay's present instant."""
        return self.set_to + timedelta(seconds=perf_counter() - self.set_at)

    def leap_to(self, instant: datetime) -> None:
        """Continue from `instant`, unless it is in the past."""
        if instant > self.now():
            self.set_to, self.set_at = instant, perf_counter()


@contextmanager
def installed(replay_clock: ReplayClock) -> Iterator[ReplayClock]:
    """Within `with`, this process runs on the replay's time."""
    previous = clock.install(replay_clock)
    try:
        yield replay_clock
    finally:
        clock.install(previous)


class SignalTimes:
    """When one signal was generated, accepted, sent and delivered: seconds since its candle was due."""

    __slots__ = ("accepted", "begun", "delivered", "due_at", "generated")

    def __init__(self, due_at: float, generated: float) -> None:
        self.due_at = due_at
        self.generated = generated
        self.accepted: float | None = None
        self.begun: float | None = None
        self.delivered: float | None = None

    def elapsed(self) -> float:
        """Seconds since its candle was due."""
        return perf_counter() - self.due_at


class Stopwatch:
    """A listener that times each signal of a replay, and counts candles, and deliveries by final state."""

    def __init__(self, replay_clock: ReplayClock) -> None:
        self.candles = 0
        """How many candles the strategies have processed."""
        self.times_by_sequence: dict[str, SignalTimes] = {}
        self.refused: list[str] = []
        """Reasons of refused signals."""
        self.ended: Counter[tuple[str, str]] = Counter()
        """Deliveries of new messages, by destination and final state."""
        self.edits: Counter[tuple[str, str]] = Counter()
        self.companions: Counter[tuple[str, str]] = Counter()
        self.has_news = False
        """Whether something was accepted since this was set to False."""
        self._clock = replay_clock
        self._changes: set[str] = set()
        """The ids of notifications that edit a card."""

    @property
    def is_all_delivered(self) -> bool:
        """True if no signal was refused, each was delivered, and every change reached its readers."""
        return (
            not self.refused
            and all(times.delivered is not None for times in self.times_by_sequence.values())
            and all(state in _GOOD_ENDS for _, state in (*self.edits, *self.companions))
        )

    def __call__(self, event: Event) -> None:
        """Record when a signal was generated and accepted, when sending began, and when it was delivered."""
        match event:
            case Taken(ticket, notification, _) if isinstance(notification.payload, Signal):
                self.has_news = True
                if notification.event != NEW:
                    self._changes.add(notification.id)
                    return
                generated = (notification.accepted_at - self._clock.set_to).total_seconds()
                times = self.times_by_sequence[notification.sequence] = SignalTimes(self._clock.set_at, generated)
                times.accepted = times.elapsed()
                if ticket.outcome is not Outcome.ACCEPTED:
                    self.refused.append(ticket.reason or "")
            case CandlesTaken():
                self.candles += event.candles
            case SendBegan(_, deliveries):
                for delivery in deliveries:
                    if (began := self.times_by_sequence.get(delivery.sequence)) and began.begun is None:
                        began.begun = began.elapsed()
            case Settled(delivery) if delivery.state.is_terminal:
                self._counter_of(event)[delivery.id.destination, delivery.state] += 1
                ended = self.times_by_sequence.get(delivery.sequence)
                if ended and ended.delivered is None and delivery.state is DeliveryState.DELIVERED:
                    ended.delivered = ended.elapsed()
            case _:
                pass

    def _counter_of(self, settled: Settled) -> Counter[tuple[str, str]]:
        delivery, notification = settled.delivery, settled.notification
        if delivery.sequence.endswith(COMPANION):
            return self.companions
        is_added_later = notification is not None and is_chart(notification.event)
        return self.edits if is_added_later or delivery.id.notification_id in self._changes else self.ended


_GOOD_ENDS = frozenset({DeliveryState.DELIVERED, DeliveryState.SUPERSEDED, DeliveryState.SUPPRESSED})
"""Good ends of an edit or a companion: it was sent, it showed nothing new, or it is turned off."""


class LiveReplay:
    """Drives a service that is started, with strategies on a replay feed. The caller has installed the clock.

    `candles_by_key` has the candles of each strategy.
    """

    def __init__(
        self,
        service: AsyncNotificationService,
        replay_clock: ReplayClock,
        candles_by_key: Mapping[str, Sequence[Candle]],
        stopwatch: Stopwatch,
    ) -> None:
        self._runtime = service._runtime
        self._clock = replay_clock
        self._candles = candles_by_key
        self.stopwatch = stopwatch
        self.is_late = False
        """Whether it is behind the requested speed. Then only some new cards get charts, as it waits for each one."""
        self._began = perf_counter()
        self._waited = 0.0
        """Seconds for which it waited for charts while it was late."""

    async def run(self, speed: float, stopped: asyncio.Event) -> AsyncIterator[datetime]:
        """Let the clock leap from close to close, `speed` times faster than it happened, and yield each.

        It ends early once it is `stopped`. A close is over once the strategies and the follower have processed its
        candles, and all is delivered.
        """
        await self._market.alarms.rest()  # after a leap in the first cycle, its feed would show candles of the future
        streams = self._market.streams
        candles = {key: (streams[key].processor.strategy.config.timeframe, each) for key, each in self._candles.items()}
        self._began, first = perf_counter(), self._clock.now()
        for at in (at for at, _ in closes(candles) if at > first):
            ahead = (at - first).total_seconds() / speed - (perf_counter() - self._began)
            self.is_late = ahead < -_LATE
            if ahead > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopped.wait(), ahead)
            if stopped.is_set():
                return
            self._clock.leap_to(at + GRACE)
            self._market.alarms.look_again()
            await self._market.alarms.rest()
            if self.stopwatch.has_news:
                self.stopwatch.has_news = False
                await self._delivered()
            yield at

    async def trades(self) -> dict[str, list[Trade]]:
        """The trades of each strategy's accepted signals, as the signal book has them, oldest first."""
        found = await self._runtime.started.engine.intake.find(FindTrades())
        trades: dict[str, list[Trade]] = {key: [] for key in self._candles}
        for entry in reversed(found):
            trades[self._key_of(entry.trade.signal)].append(entry.trade)
        return trades

    async def history(self, signal: Signal) -> CandleHistory | None:
        """The candles that lead to a signal, for its chart, if there is time for one."""
        has_time = not self.is_late or self._waited < _FOR_CHARTS * (perf_counter() - self._began)
        return await self._market.candles(signal) if has_time else None

    @property
    def _market(self) -> Market:
        market = self._runtime.started.market
        assert market is not None  # noqa: S101  # for mypy: the service has its folder for itself
        return market

    def _key_of(self, signal: Signal) -> str:
        configs = ((key, stream.processor.strategy.config) for key, stream in self._market.streams.items())
        return next(key for key, each in configs if (each.pair, each.timeframe) == (signal.pair, signal.timeframe))

    async def _delivered(self) -> None:
        """Wait for all deliveries. Companions wait a moment behind their cards: the clock leaps over that."""
        run = self._runtime.started
        waiting = [
            each.not_before
            for each in await run.drain(_SOON)
            if each.not_before is not None and each.sequence.endswith(COMPANION) and not each.attempts
        ]
        if waiting:
            self._clock.leap_to(max(waiting))
            for lane in run.engine.lanes.values():
                lane.look_again()
        await run.drain(None)
        if run.charts is not None:
            began = perf_counter()
            await run.charts.all_ended()
            await run.drain(None)
            self._waited += perf_counter() - began if self.is_late else 0.0

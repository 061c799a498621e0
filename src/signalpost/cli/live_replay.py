"""Replays past candles through a running service, on a clock of its own: delivers the signals, and follows each.

The clock jumps from one candle's close to the next and runs with real time in between, so that waits and retries end.
It waits for open deliveries before it jumps, so that a signal is as fresh as it was at the time. See
docs/why/0017-a-replay-has-its-own-clock.md.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import perf_counter
from typing import NamedTuple

from signalpost import clock
from signalpost.domain.candle import Candle
from signalpost.domain.change import Change
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.events import Event, SendBegan, Settled, Taken
from signalpost.domain.notification import COMPANION, is_chart
from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Outcome, Ticket
from signalpost.domain.tier import UserTier
from signalpost.domain.timeframe import Timeframe
from signalpost.domain.trade import Trade
from signalpost.service import AsyncNotificationService
from signalpost.trading.lives import Life, Lives
from signalpost.trading.market_replay import closes
from signalpost.trading.strategies.ma_unified import MAUnifiedStrategy


class Stream(NamedTuple):
    """A strategy, its candles, and the tier of its signals."""

    strategy: MAUnifiedStrategy
    timeframe: Timeframe
    candles: Sequence[Candle]
    tier: UserTier


class ReplayClock:
    """The replay's time: it is set, and then runs as fast as real time."""

    def __init__(self, start: datetime) -> None:
        self._set, self._since = start, perf_counter()

    def now(self) -> datetime:
        """The replay's present instant."""
        return self._set + timedelta(seconds=perf_counter() - self._since)

    def leap_to(self, instant: datetime) -> None:
        """Continue from `instant`, unless it is in the past."""
        if instant > self.now():
            self._set, self._since = instant, perf_counter()


@contextmanager
def installed(replay_clock: ReplayClock) -> Iterator[ReplayClock]:
    """Within `with`, this process runs on the replay's time."""
    previous = clock.install(replay_clock)
    try:
        yield replay_clock
    finally:
        clock.install(previous)


class SignalTimes:
    """When one signal was generated, accepted, sent and delivered: seconds since the strategy got the candle."""

    __slots__ = ("accepted", "begun", "delivered", "generated", "handed_at")

    def __init__(self, handed_at: float) -> None:
        self.handed_at = handed_at
        self.generated = self.elapsed()
        self.accepted: float | None = None
        self.begun: float | None = None
        self.delivered: float | None = None

    def elapsed(self) -> float:
        """Seconds since the strategy got the candle."""
        return perf_counter() - self.handed_at


class Stopwatch:
    """A listener that times each signal of a replay, keeps its trade, and counts deliveries by final state."""

    def __init__(self) -> None:
        self.times_by_sequence: dict[str, SignalTimes] = {}
        self.trades_by_sequence: dict[str, Trade] = {}
        """As the signal book has them."""
        self.ended: Counter[tuple[str, str]] = Counter()
        """Deliveries of new messages, by destination and final state."""
        self.edits: Counter[tuple[str, str]] = Counter()
        self.companions: Counter[tuple[str, str]] = Counter()
        self._changes: set[str] = set()
        """The ids of notifications that edit a card."""

    def is_all_delivered(self, signals: int) -> bool:
        """True if this many signals were timed and each was delivered, and every change reached its readers."""
        return (
            len(self.times_by_sequence) == signals
            and all(times.delivered is not None for times in self.times_by_sequence.values())
            and all(state in _GOOD_ENDS for _, state in (*self.edits, *self.companions))
        )

    def __call__(self, event: Event) -> None:
        """Keep the trade of a signal, and record when sending began and when the signal was delivered."""
        match event:
            case Taken(Ticket(outcome=Outcome.ACCEPTED), notification, _) if notification.shown is not None:
                self.trades_by_sequence[notification.sequence] = notification.shown
                if notification.trade is not None:
                    self._changes.add(notification.id)
            case SendBegan(_, deliveries):
                for delivery in deliveries:
                    if (times := self.times_by_sequence.get(delivery.sequence)) and times.begun is None:
                        times.begun = times.elapsed()
            case Settled(delivery) if delivery.state.is_terminal:
                self._counter_of(event)[delivery.id.destination, delivery.state] += 1
                times = self.times_by_sequence.get(delivery.sequence)
                if times and times.delivered is None and delivery.state is DeliveryState.DELIVERED:
                    times.delivered = times.elapsed()
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


_LATE = 0.5
"""Seconds."""


class LiveReplay:
    """Feeds the signals of past candles, and what becomes of them, through a service.

    The caller has installed the clock.
    """

    def __init__(
        self,
        service: AsyncNotificationService,
        replay_clock: ReplayClock,
        streams: Mapping[str, Stream],
        stopwatch: Stopwatch,
    ) -> None:
        self._runtime = service._runtime
        self._clock = replay_clock
        self._streams = streams
        self._stopwatch = stopwatch
        self._lives = {key: Lives(stream.timeframe) for key, stream in streams.items()}
        self._sequences: dict[str, list[str]] = {key: [] for key in streams}
        self.is_late = False
        """Whether it is behind the requested speed. Then new cards get no charts, because it would wait for them."""
        self.candles = 0
        self.signals = 0
        self.refused: list[str] = []
        """Reasons of refused signals and changes."""

    async def run(self, speed: float) -> AsyncIterator[datetime]:
        """Replay everything, `speed` times faster than it happened, and yield each close once it is processed."""
        candles = {key: (stream.timeframe, stream.candles) for key, stream in self._streams.items()}
        began, first = perf_counter(), None
        for at, closed in closes(candles):
            first = first or at
            ahead = (at - first).total_seconds() / speed - (perf_counter() - began)
            self.is_late = ahead < -_LATE
            if ahead > 0:
                await asyncio.sleep(ahead)
            self._clock.leap_to(at)
            before = self.signals
            for _, key, candle in closed:
                await self._feed(key, candle)
            tickets = [ticket for _, key, candle in closed for ticket in await self._follow(key, candle)]
            self.candles += len(closed)
            if tickets or self.signals > before:
                await self._delivered(tickets)
            yield at

    @property
    def is_all_delivered(self) -> bool:
        """True if nothing was refused, and every signal and every change was delivered."""
        return not self.refused and self._stopwatch.is_all_delivered(self.signals)

    @property
    def trades(self) -> dict[str, list[Trade]]:
        """The trades of each strategy's accepted signals, as the signal book has them, oldest first."""
        trades = self._stopwatch.trades_by_sequence
        return {key: [trades[each] for each in sequences] for key, sequences in self._sequences.items()}

    async def _feed(self, key: str, candle: Candle) -> None:
        """Give the strategy a candle, and send its signal. The signal is followed from the next candle on."""
        stream = self._streams[key]
        handed_at = perf_counter()
        signal = stream.strategy.on_candle(candle)
        if not isinstance(signal, Signal):
            return
        self.signals += 1
        times = SignalTimes(handed_at)
        sequence = self._sequence(signal)
        self._stopwatch.times_by_sequence[sequence] = times
        ticket = await self._runtime.started.engine.intake.accept(signal, user_tier=stream.tier)
        times.accepted = times.elapsed()
        if not ticket:
            self.refused.append(ticket.reason or "")
        if (trade := self._stopwatch.trades_by_sequence.get(sequence)) is not None:
            self._sequences[key].append(sequence)
            self._lives[key].add(trade)

    async def _follow(self, key: str, candle: Candle) -> list[Ticket]:
        """Apply what a candle changes in the trades of earlier signals, and return the tickets of the changes."""
        return [await self._change(life, change) for life, change in self._lives[key].changes(candle)]

    async def _change(self, life: Life, change: Change) -> Ticket:
        signal, version = life.trade.signal, life.trade.version
        intake = self._runtime.started.engine.intake
        ticket = await intake.amend(signal.signal_id, change, if_version=version, hold=False)
        if not ticket:
            self.refused.append(ticket.reason or "")
        life.trade = self._stopwatch.trades_by_sequence[self._sequence(signal)]
        return ticket

    async def _delivered(self, changes: Sequence[Ticket]) -> None:
        """Wait for all deliveries. Companions wait a moment behind their cards: the clock leaps over that."""
        for ticket in changes:
            await self._runtime.drain(None, ticket.id)
        waiting = [
            delivery.not_before
            for delivery in (await self._runtime.drain(0.0) if changes else ())
            if delivery.not_before is not None and delivery.sequence.endswith(COMPANION) and not delivery.attempts
        ]
        if waiting:
            self._clock.leap_to(max(waiting))
            for lane in self._runtime.started.engine.lanes.values():
                lane.look_again()
        await self._runtime.drain(None)
        if (charts := self._runtime.started.charts) is not None:
            await charts.all_ended()
            await self._runtime.drain(None)

    def _sequence(self, signal: Signal) -> str:
        return f"{self._runtime.config.run}/{signal.signal_id}"

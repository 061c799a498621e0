"""Replays past candles through a running service, on a clock of its own, and delivers the signals.

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
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.events import Event, SendBegan, Settled
from signalpost.domain.signal import Signal
from signalpost.domain.tier import UserTier
from signalpost.domain.timeframe import Timeframe
from signalpost.service import AsyncNotificationService
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
    """A listener that times each signal of a replay, and counts deliveries by final state."""

    def __init__(self) -> None:
        self.times_by_sequence: dict[str, SignalTimes] = {}
        self.ended: Counter[tuple[str, str]] = Counter()
        """Deliveries by destination and final state."""

    def is_all_delivered(self, signals: int) -> bool:
        """True if this many signals were timed and each was delivered."""
        return len(self.times_by_sequence) == signals and all(
            times.delivered is not None for times in self.times_by_sequence.values()
        )

    def __call__(self, event: Event) -> None:
        """Record when sending began and when the signal was delivered."""
        match event:
            case SendBegan(_, deliveries):
                for delivery in deliveries:
                    if (times := self.times_by_sequence.get(delivery.sequence)) and times.begun is None:
                        times.begun = times.elapsed()
            case Settled(delivery) if delivery.state.is_terminal:
                self.ended[delivery.id.destination, delivery.state] += 1
                times = self.times_by_sequence.get(delivery.sequence)
                if times and delivery.state is DeliveryState.DELIVERED:
                    times.delivered = times.elapsed()
            case _:
                pass


class LiveReplay:
    """Feeds the signals of past candles through a service, on a clock that the caller has installed."""

    def __init__(
        self,
        service: AsyncNotificationService,
        replay_clock: ReplayClock,
        streams: Mapping[str, Stream],
        stopwatch: Stopwatch,
    ) -> None:
        self._service = service
        self._clock = replay_clock
        self._streams = streams
        self._stopwatch = stopwatch
        self.candles = 0
        self.signals = 0
        self.refused: list[str] = []
        """Reasons of refused signals."""

    async def run(self, speed: float) -> AsyncIterator[datetime]:
        """Replay everything, `speed` times faster than it happened, and yield each close once it is processed."""
        candles = {key: (stream.timeframe, stream.candles) for key, stream in self._streams.items()}
        began, first = perf_counter(), None
        for at, closed in closes(candles):
            first = first or at
            ahead = (at - first).total_seconds() / speed - (perf_counter() - began)
            if ahead > 0:
                await asyncio.sleep(ahead)
            self._clock.leap_to(at)
            before = self.signals
            for _, key, candle in closed:
                await self._feed(self._streams[key], candle)
            self.candles += len(closed)
            if self.signals > before:
                await self._service.drain()
            yield at

    async def _feed(self, stream: Stream, candle: Candle) -> None:
        handed_at = perf_counter()
        signal = stream.strategy.on_candle(candle)
        if not isinstance(signal, Signal):
            return
        self.signals += 1
        times = SignalTimes(handed_at)
        self._stopwatch.times_by_sequence[f"{self._service.config.run}/{signal.signal_id}"] = times
        ticket = await self._service.queue_notification(signal, user_tier=stream.tier)
        times.accepted = times.elapsed()
        if not ticket:
            self.refused.append(ticket.reason or "")

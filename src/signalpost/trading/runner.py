"""Runs a strategy's stream on live candles. Each stream has a task of its own, so none holds up another.

See docs/why/0035-the-strategy-lives.md.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from signalpost import clock
from signalpost.domain.events import CandlesTaken, Listener, emit_each
from signalpost.errors import FeedFailed, StoreClosed, StoreFailed
from signalpost.secret import redacted
from signalpost.telemetry.log_queue import log_failure, logger
from signalpost.trading.alarm_clock import AlarmClock
from signalpost.trading.candle_rules import CandleRule
from signalpost.trading.feeds.port import Series
from signalpost.trading.incidents import Incidents
from signalpost.trading.processor import Cycle, IncrementalSignalProcessor, StateFrom
from signalpost.trading.schedule import Slot, next_look, retry_of_feed, retry_of_strategy
from signalpost.trading.strategies.port import WrongAnswer
from signalpost.trading.watchdogs import FeedAnswer

BEHIND_AFTER = timedelta(seconds=20)
_LONGEST_SLEEP = 30.0
"""Seconds after which the time is read again, because the clock may have been set, or the machine suspended."""


class StreamRunner:
    """Runs a cycle of one processor whenever candles are due, and retries after an error.

    `key` is its name in messages. `on_missed` is called if signals were too old to post, with the time when the stream
    worked last. Each cycle runs inside `at_work`. Between two cycles it sleeps in `alarms`.
    """

    def __init__(
        self,
        key: str,
        processor: IncrementalSignalProcessor,
        incidents: Incidents,
        emit: Listener,
        *,
        on_missed: Callable[[datetime | None], None],
        at_work: Callable[[], AbstractContextManager[object]],
        alarms: AlarmClock,
    ) -> None:
        self.key = key
        self.processor = processor
        self.feed = processor.feed.name
        self.series = Series(self.feed, processor.strategy.config.pair, processor.strategy.config.timeframe)
        self.last: Cycle | None = None
        """The last cycle that succeeded."""
        self.worked_at: datetime | None = None
        """When the last cycle that succeeded began."""
        self.state_from: StateFrom | None = None
        """Where its state came from when it was read last."""
        self.states_from: Counter[StateFrom] = Counter()
        """How often its state was read, and from where."""
        self.rebuilt = 0
        """How often its saved state could not be used."""
        self.counts: Counter[CandleRule] = Counter()
        """Unusual candles; a gap is one or more empty slots."""
        self._incidents = incidents
        self._emit = emit
        self._on_missed = on_missed
        self._at_work = at_work
        self._alarms = alarms
        self._alarms.enter(key)
        self._slot: Slot | None = None
        self._next = clock.now()
        self._failures = 0
        self._waits_for_store = False
        self._strategy_failures = 0

    def is_behind(self, now: datetime) -> bool:
        """True if its cycle was due more than 20 seconds ago and has not ended. Any thread may call it."""
        return now - self._next > BEHIND_AFTER

    def store_works(self) -> None:
        """The store works again: if the last cycle failed because of it, run the next one at once."""
        if self._waits_for_store:
            self._next = clock.now()
            self._alarms.ring(self.key)

    async def run(self) -> None:
        """Run cycles until cancelled. Raises StoreClosed."""
        while True:
            while self._next > clock.now():
                emit_each(self._emit, self._incidents.waits(self.key, clock.now()))
                await self._alarms.sleep_until(self.key, self._next, _LONGEST_SLEEP)
            with self._at_work():
                await self._look()

    async def _look(self) -> None:
        began, started = clock.now(), asyncio.get_running_loop().time()
        self._waits_for_store = False
        try:
            cycle = await self.processor.cycle(began)
        except StoreClosed:
            raise
        except FeedFailed as fault:
            self._feed_failed(fault)
        except StoreFailed as fault:  # the service itself reports that, and alerts would wait for the store
            self._failures += 1
            self._waits_for_store = True
            self._next = retry_of_feed(self._failures, None, self._slot, clock.now())
            logger.warning("strategy %s waits for the store: %s", self.key, fault)
        except (Exception, SystemExit) as fault:  # noqa: BLE001  # whatever a strategy raises must not stop the others
            self._strategy_failed(fault)
        else:
            self._worked(cycle, began)
            if cycle.candles_taken:
                self._report(cycle, asyncio.get_running_loop().time() - started)

    def _worked(self, cycle: Cycle, began: datetime) -> None:
        if cycle.missed:
            self._on_missed(self.worked_at)
        self.last, self.worked_at = cycle, began
        if cycle.state_from is not StateFrom.MEMORY:
            self.state_from = cycle.state_from
            self.states_from[cycle.state_from] += 1
            self.rebuilt += cycle.rebuilt is not None
        self._failures = self._strategy_failures = 0
        calendar, timeframe, now = self.processor.feed.calendar, self.series.timeframe, clock.now()
        self._next, self._slot = next_look(self._slot, cycle.watermark, cycle.forming, now, calendar, timeframe)
        self.counts.update(cycle.counts)
        answer = FeedAnswer(self.series, self.key, calendar, cycle.watermark, cycle.oldest, began, cycle.forming)
        emit_each(self._emit, self._incidents.worked(self.series, self.key, now))
        emit_each(self._emit, self._incidents.answered(answer))

    def _report(self, cycle: Cycle, took: float) -> None:
        now = clock.now()
        waited = tuple((now - signal.known_at).total_seconds() for signal in cycle.signals)
        self._emit(CandlesTaken(self.key, self.feed, cycle.candles_taken, took, waited))

    def _feed_failed(self, fault: FeedFailed) -> None:
        now, reason = clock.now(), redacted(str(fault))
        self._failures += 1
        self._next = retry_of_feed(self._failures, fault.retry_after, self._slot, now)
        if self._failures == 1:
            logger.warning("strategy %s: feed %s failed (%s): %s", self.key, self.feed, fault.code, reason)
        emit_each(self._emit, self._incidents.feed_failed(self.series, self.key, reason, now))

    def _strategy_failed(self, fault: Exception | SystemExit) -> None:
        now = clock.now()
        self._strategy_failures += 1
        self._next = retry_of_strategy(self._strategy_failures, now)
        log_failure(f"strategy {self.key} failed", fault, with_text=False)
        reason = str(fault) if isinstance(fault, WrongAnswer) else f"it raised {type(fault).__name__}"
        failures = self._strategy_failures
        emit_each(self._emit, self._incidents.strategy_failed(self.feed, self.key, reason, failures, now))

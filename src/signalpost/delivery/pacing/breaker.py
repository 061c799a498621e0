"""The breaker: stops sending to a destination that fails, and finds out with one invisible request whether it is back.

Measured elsewhere, and what is done here instead:

- A breaker that counts exceptions is blind where the sender returns a value. This one is told by evidence: no answer,
  5xx and no connection are failures; a refusal or "too many requests" is an answer, and so the far end lives.
- A breaker that answers "failed" while it is open burns the attempts of everything that waits. This one says when to
  come back, and what was not tried is not counted.
- At half-open, four libraries out of four let every caller through. This one lets one probe through, which shows
  nothing, and then one message.
- A cool-down that only grows is a late recovery after a short outage, one that does not grow is an attack on a far end
  that is down for a day. So the interval between probes is under 2 s for the first 3 seconds, grows to 5 s, stays there
  for the first 2 minutes, and then grows to 60 s. It counts from the beginning of a probe, so that one that hangs does
  not make the next one late. A far end that is merely slow is down for who never waits long enough: the patience grows
  with the interval.

    closed      5 failures in a row, or at least half of at least 10 answers within 60 s   -> open
    open        the probe is answered                                                      -> half-open
    half-open   the message is answered                                                    -> closed
    half-open   the message fails                                                          -> open

A message may be what is wrong, and not the far end. So a 5xx to a message that had one before counts for nothing where
other messages pass. On trial, where nobody knows, the message is one that was tried least; a 5xx to one that had one
before leaves the trial open for the next that comes, and what failed is tried again at the interval of the probes.
Between messages the far end may be asked a question that shows nothing: that it fails is counted, that it is answered
is not, for a far end may answer questions and take no messages.

In an outage of 60 s that is 5 failures and about 15 probes. Where probes are answered and messages are not, each of
these comes with a message.

Weakness: the breaker knows a destination and not its host, so an outage of the host is found out once by each
destination. An answer to a request that began before the breaker last moved is not counted, however good its news.
"""

from collections import deque
from math import inf
from typing import NamedTuple

from signalpost.domain.words import Word


class BreakerState(Word):
    """What a breaker lets through: everything, nothing but probes, or one message."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class BreakerMemory(NamedTuple):
    """What a breaker that is not closed should still know after a restart. Times are seconds."""

    open_for: float
    probe_in: float
    interval: float


class BreakerSettings(NamedTuple):
    """When a breaker opens, and how it probes. Times are seconds."""

    failures_in_a_row: int = 5
    least_answers: int = 10
    """So many answers within `period` are enough to judge the share of failures."""
    share: float = 0.5
    period: float = 60.0
    first_interval: float = 1.0
    soon_interval: float = 1.8
    """The longest interval between probes as long as the breaker is open for less than `soon`."""
    soon: float = 3.0
    early_interval: float = 5.0
    """The same, as long as it is open for less than `early`."""
    early: float = 120.0
    late_interval: float = 60.0
    spread: float = 0.2
    """The part of each interval that is left to chance, so that many destinations do not probe at once."""


USUAL = BreakerSettings()


class CircuitBreaker:
    """One destination's breaker.

    A message or probe that begins takes a permit, and is recorded or given back with it. What moves the breaker returns
    the state it moved to, and None where it did not move.
    """

    def __init__(self, settings: BreakerSettings = USUAL) -> None:
        self.state = BreakerState.CLOSED
        self.came_from = BreakerState.CLOSED
        """The state before this one."""
        self.opened_at = 0.0
        """When it last opened from closed."""
        self.trips = 0
        """How often it opened from closed."""
        self._settings = settings
        self._epoch = 0
        self._in_a_row = 0
        self._seconds: deque[list[int]] = deque()
        """A second, its answers and its failures; those of the last `period`."""
        self._on_trial = False
        self.interval = 0.0
        """Seconds between the last two probes, and 0 as long as it never opened."""
        self._probe_at = inf
        self._probe_began_at = 0.0

    def ready_at(self, now: float) -> float:
        """When a message may begin: now, or infinity where that waits for a probe or for the message on trial."""
        if self.state is BreakerState.OPEN or self._on_trial:
            return inf
        return now

    @property
    def probe_at(self) -> float:
        """When the next probe should begin; infinity where none is wanted."""
        return self._probe_at

    @property
    def question_at(self) -> float:
        """When, on trial, it may be asked for the sake of what failed there; minus infinity where nothing did."""
        return self._probe_at if self.state is BreakerState.HALF_OPEN and self._probe_at < inf else -inf

    def begin(self) -> int:
        """A message begins."""
        self._on_trial = self.state is BreakerState.HALF_OPEN
        return self._epoch

    def begin_probe(self, now: float) -> int:
        """A probe begins."""
        self._probe_at = inf
        self._probe_began_at = now
        return self._epoch

    def is_current(self, permit: int) -> bool:
        """Whether the breaker has not moved since the permit was taken."""
        return permit == self._epoch

    def give_back(self, permit: int) -> None:
        """The message was not sent, or its end says nothing about the far end."""
        if permit == self._epoch:
            self._on_trial = False

    def record(
        self, permit: int, now: float, jitter: float, *, is_failure: bool, is_its_own: bool = False
    ) -> BreakerState | None:
        """A message ended: as a failure, perhaps of its own and not the far end's, or with an answer."""
        if permit != self._epoch:
            return None
        if is_failure and is_its_own:
            self._on_trial = False
            if self.state is BreakerState.HALF_OPEN:
                self._plan_probe(now, jitter)
            return None
        if self.state is BreakerState.HALF_OPEN and not is_failure:
            return self._move(BreakerState.CLOSED)
        return self._judge(now, jitter, is_failure=is_failure)

    def record_probe(self, permit: int, now: float, jitter: float, *, is_alive: bool) -> BreakerState | None:
        """A probe ended, or a question: the far end is alive, or it is not."""
        if permit != self._epoch:
            return None
        if self.state is not BreakerState.OPEN:
            return None if is_alive else self._judge(now, jitter, is_failure=True)
        if is_alive:
            return self._move(BreakerState.HALF_OPEN)
        self._plan_probe(now, jitter)
        return None

    def memory(self, now: float) -> BreakerMemory | None:
        """What is worth keeping over a restart; nothing where it is closed."""
        if self.state is BreakerState.CLOSED:
            return None
        probe_in = self._probe_at - now if self._probe_at < inf else 0.0
        return BreakerMemory(now - self.opened_at, max(0.0, probe_in), self.interval)

    def recall(self, memory: BreakerMemory, now: float) -> BreakerState:
        """Be open as an earlier process was; no wait is longer than the longest there is."""
        longest = self._settings.late_interval
        self.opened_at = now - max(0.0, memory.open_for)
        self.interval = min(max(0.0, memory.interval), longest)
        self._probe_at = now + min(max(0.0, memory.probe_in), longest)
        self.state = BreakerState.OPEN
        return self._move(BreakerState.OPEN)

    def _judge(self, now: float, jitter: float, *, is_failure: bool) -> BreakerState | None:
        """Count an end, and open where that is enough; on trial one failure is."""
        if self.state is BreakerState.HALF_OPEN:
            return self._open(now, jitter)
        if self._count(now, is_failure=is_failure):
            self.trips += 1
            self.opened_at = now
            self.interval = 0.0
            self._probe_began_at = now
            return self._open(now, jitter)
        return None

    def _count(self, now: float, *, is_failure: bool) -> bool:
        """Whether the breaker has to open."""
        settings, seconds, second = self._settings, self._seconds, int(now)
        while seconds and seconds[0][0] <= second - settings.period:
            seconds.popleft()
        if not seconds or seconds[-1][0] != second:
            seconds.append([second, 0, 0])
        seconds[-1][1] += 1
        if not is_failure:
            self._in_a_row = 0
            return False
        seconds[-1][2] += 1
        self._in_a_row += 1
        if self._in_a_row >= settings.failures_in_a_row:
            return True
        answers, failures = sum(each[1] for each in seconds), sum(each[2] for each in seconds)
        return answers >= settings.least_answers and failures >= settings.share * answers

    def _open(self, now: float, jitter: float) -> BreakerState:
        self._plan_probe(now, jitter)
        return self._move(BreakerState.OPEN)

    def _plan_probe(self, now: float, jitter: float) -> None:
        settings = self._settings
        open_for = now - self.opened_at
        if open_for < settings.soon:
            longest = settings.soon_interval
        else:
            longest = settings.early_interval if open_for < settings.early else settings.late_interval
        self.interval = min(2 * self.interval or settings.first_interval, longest)
        wait = self.interval * (1 - settings.spread * (1 - jitter))
        self._probe_at = max(now, self._probe_began_at + wait)

    def _move(self, state: BreakerState) -> BreakerState:
        self._epoch += 1
        self._on_trial = False
        if state is not BreakerState.OPEN:
            self._probe_at = inf
        self._in_a_row = 0
        self._seconds.clear()
        self.came_from, self.state = self.state, state
        return state

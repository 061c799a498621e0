"""The breaker: stops sending to a destination that fails, and finds out with one invisible request whether it is back.

Common faults of breakers, and how this one avoids them:

- A breaker that counts exceptions misses failures that are returned as values. This one gets evidence: no answer, 5xx
  and no connection are failures. A refusal or "too many requests" is an answer, which shows that the destination works.
- A breaker that fails calls while it is open uses up the attempts of all waiting messages. This one returns the time
  of the next try, and an attempt that never began does not count.
- When half-open, all four tested libraries let every caller through. This one lets one probe through, which posts
  nothing, and then one message.
- A cool-down that only grows makes recovery after a short outage late. One that never grows floods a destination that
  is down for a day. So the interval between probes is under 2 s for the first 3 seconds, grows to 5 s, stays there for
  the first 2 minutes, and then grows to 60 s. It counts from the beginning of a probe, so a hanging probe does not
  delay the next one. The timeout of a probe grows with the interval, so that a slow destination is not taken as down.

    closed      5 failures in a row, or at least half of at least 10 answers within 60 s   -> open
    open        the probe is answered                                                      -> half-open
    half-open   the message is answered                                                    -> closed
    half-open   the message fails                                                          -> open

The message itself may be at fault, not the destination. So a 5xx does not count if the same message had one before and
other messages pass. On trial (half-open), this is unknown; the lane then tries the message that has failed least. If
that one had a 5xx before, another 5xx leaves the trial open for the next message, and failed ones are retried at the
interval of the probes. An edit shows nothing twice, so it is not marked as a repeat, and each 5xx for it counts. While
the breaker is not open, the destination may be probed too. Such a probe counts only if it fails, because a destination
may answer probes and still reject messages.

If a probe is answered and no message waits, the breaker stays half-open, because only a message shows that messages are
accepted. It is not reported as failing any more, until a message fails again.

An outage of 60 s costs 5 failures and about 15 probes. If probes are answered and messages are not, a message follows
each probe.

Weakness: a breaker knows its destination and not the host, so each destination finds out about an outage of the host on
its own. The answer to a request that began before the breaker last moved is ignored, even if it is good.
"""

from collections import deque
from math import inf
from typing import NamedTuple

from signalpost.domain.words import Word


class BreakerState(Word):
    """A closed breaker lets everything through, an open one only probes, a half-open one a single message."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class BreakerMemory(NamedTuple):
    """The state of an open or half-open breaker that should outlive a restart. Times are in seconds."""

    open_for: float
    probe_in: float
    interval: float


class BreakerSettings(NamedTuple):
    """When a breaker opens, and how it probes. Times are in seconds."""

    failures_in_a_row: int = 5
    least_answers: int = 10
    """The share of failures counts only after at least this many answers within `period`."""
    share: float = 0.5
    period: float = 60.0
    first_interval: float = 1.0
    soon_interval: float = 1.8
    """The longest interval between probes while the breaker has been open for less than `soon`."""
    soon: float = 3.0
    early_interval: float = 5.0
    """The longest interval after `soon`, while the breaker has been open for less than `early`."""
    early: float = 120.0
    late_interval: float = 60.0
    spread: float = 0.2
    """The random part of each interval, so that many destinations do not probe at once."""


USUAL = BreakerSettings()


class CircuitBreaker:
    """One destination's breaker.

    A message or probe takes a permit when it begins; its end is recorded with that permit, or the permit is given back.
    Methods that may move the breaker return its new state, or None if it did not move.
    """

    def __init__(self, settings: BreakerSettings = USUAL) -> None:
        self.state = BreakerState.CLOSED
        self.came_from = BreakerState.CLOSED
        """The state before this one."""
        self.opened_at = 0.0
        """When it last opened from closed."""
        self.is_failing = False
        """Whether messages fail, as far as is known: from when it opens until a message is answered, or a probe is
        answered and no message waits."""
        self.trips = 0
        """How often it opened from closed."""
        self._settings = settings
        self._epoch = 0
        self._in_a_row = 0
        self._seconds: deque[list[int]] = deque()
        """For each second of the last `period`: the second, its answers, its failures."""
        self._on_trial = False
        self.interval = 0.0
        """Seconds between the last two probes; 0 if it never opened."""
        self.probe_at = inf
        """When the next probe should begin; infinity if none is due."""
        self._probe_began_at = 0.0

    def ready_at(self, now: float) -> float:
        """When a message may begin: now, or infinity if a probe or the message on trial has to end first."""
        if self.state is BreakerState.OPEN or self._on_trial:
            return inf
        return now

    @property
    def question_at(self) -> float:
        """When the next liveness probe is allowed. Minus infinity, unless a message has failed on trial."""
        return self.probe_at if self.state is BreakerState.HALF_OPEN and self.probe_at < inf else -inf

    def begin(self) -> int:
        """A message begins."""
        self._on_trial = self.state is BreakerState.HALF_OPEN
        return self._epoch

    def begin_probe(self, now: float) -> int:
        """A probe begins."""
        self.probe_at = inf
        self._probe_began_at = now
        return self._epoch

    def is_current(self, permit: int) -> bool:
        """Whether the breaker has not moved since the permit was taken."""
        return permit == self._epoch

    def give_back(self, permit: int) -> None:
        """The message was not sent, or its outcome says nothing about the destination."""
        if permit == self._epoch:
            self._on_trial = False

    def record(
        self, permit: int, now: float, jitter: float, *, is_failure: bool, is_its_own: bool = False
    ) -> BreakerState | None:
        """A message ended. With `is_its_own`, the failure may be that message's fault, not the destination's."""
        if permit != self._epoch:
            return None
        if is_failure and is_its_own:
            self._on_trial = False
            if self.state is BreakerState.HALF_OPEN:
                self.is_failing = True
                self._plan_probe(now, jitter)
            return None
        if self.state is BreakerState.HALF_OPEN and not is_failure:
            return self._move(BreakerState.CLOSED)
        return self._judge(now, jitter, is_failure=is_failure)

    def rest(self) -> None:
        """No message waits."""
        if self.state is BreakerState.HALF_OPEN and not self._on_trial:
            self.is_failing = False

    def record_probe(self, permit: int, now: float, jitter: float, *, is_alive: bool) -> BreakerState | None:
        """A probe ended, of an open breaker or for liveness."""
        if permit != self._epoch:
            return None
        if self.state is not BreakerState.OPEN:
            return None if is_alive else self._judge(now, jitter, is_failure=True)
        if is_alive:
            return self._move(BreakerState.HALF_OPEN)
        self._plan_probe(now, jitter)
        return None

    def memory(self, now: float) -> BreakerMemory | None:
        """The state that should outlive a restart; None if it is closed."""
        if self.state is BreakerState.CLOSED:
            return None
        probe_in = self.probe_at - now if self.probe_at < inf else 0.0
        return BreakerMemory(now - self.opened_at, max(0.0, probe_in), self.interval)

    def recall(self, memory: BreakerMemory, now: float) -> BreakerState:
        """Open as in an earlier process. No wait gets longer than the longest interval."""
        longest = self._settings.late_interval
        self.opened_at = now - max(0.0, memory.open_for)
        self.interval = min(max(0.0, memory.interval), longest)
        self.probe_at = now + min(max(0.0, memory.probe_in), longest)
        self.state = BreakerState.OPEN
        return self._move(BreakerState.OPEN)

    def _judge(self, now: float, jitter: float, *, is_failure: bool) -> BreakerState | None:
        """Count an outcome, and open if there are too many failures. On trial, one is too many."""
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
        self.probe_at = max(now, self._probe_began_at + wait)

    def _move(self, state: BreakerState) -> BreakerState:
        self._epoch += 1
        self._on_trial = False
        if state is not BreakerState.OPEN:
            self.probe_at = inf
        self._in_a_row = 0
        self._seconds.clear()
        if state is not BreakerState.HALF_OPEN:
            self.is_failing = state is BreakerState.OPEN
        self.came_from, self.state = self.state, state
        return state

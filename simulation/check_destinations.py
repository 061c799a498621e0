"""Checks of destinations: nothing is sent to a deleted one, one that is down is probed, and rate limits hold."""

from bisect import bisect_left
from collections.abc import Iterator
from math import inf

from simulation.evidence import Evidence
from simulation.faults import FAULTS, OWN_LIMIT, Proof
from simulation.plan import PLACES
from simulation.recorder import Request

SHARED_CHANNELS_ARE_KNOWN = True
"""True if the machine learns at startup which webhooks share a channel."""

_FAILURES = frozenset({Proof.NOT_SHOWN, Proof.UNKNOWN, Proof.SILENCE})
_ANSWERS = frozenset({Proof.SHOWN, Proof.REFUSED, Proof.WAIT, Proof.GONE, Proof.MISSING})
_IN_A_ROW = 5
_TO_JUDGE = 10
_ROUNDING = 1.01
"""Seconds; a wait in both header and body is rounded up in one of them."""
_PROCESSED_IN = 0.001
"""Seconds: a request that begins in so short a time after an answer may not know of it."""
_MINUTE = 60.0
_LONGEST_DOWN = 700.0
_PATIENCE = 3.0
"""Seconds after which a cancelled request counts as a failure."""
_WRITTEN_WITHIN = 60.0
_UNSEEN = 62.0
"""Seconds for which a request that the machine could not count may still fill one of Discord's windows."""


def findings(evidence: Evidence) -> Iterator[str]:
    """Every broken rule about destinations."""
    for place, requests in evidence.by_place.items():
        yield from _of_the_gone(evidence, place, requests)
        for life in sorted({request.life for request in requests}):
            yield from _of_breaker(evidence, place, [request for request in requests if request.life == life])
    yield from _of_own_limits(evidence)
    yield from _of_waits(evidence)
    for place in evidence.by_place:
        yield from _of_the_minute(evidence, place)


def _of_the_gone(evidence: Evidence, place: str, requests: list[Request]) -> Iterator[str]:
    """After an answer that the webhook is gone, no process sends to it until a person enables it."""
    recorder = evidence.recorder
    enabled = [at for name, at in recorder.enabled if name == place]
    kept = [at for name, at, _ in recorder.gone_kept if name == place]
    ends = {number: ended for number, _, ended, _ in recorder.lives}
    for gone in (request for request in requests if request.proof is Proof.GONE):
        assert gone.ended is not None
        back = min((at for at in enabled if at >= gone.ended), default=inf)
        written = min((at for at in kept if at >= gone.began), default=inf)
        for request in requests:
            known = gone.ended if request.life == gone.life else written
            if known < request.began < back:
                yield f"{place} got a request {request.began - gone.ended:.1f} s after it was gone for good"
        store_failed = any(began <= gone.true_began + _WRITTEN_WITHIN and gone.true_began <= ended + 10
                           for began, ended in evidence.plan.store_down)  # fmt: skip
        lived = ends.get(gone.life, evidence.end) - gone.ended
        if written == back == inf and lived > _WRITTEN_WITHIN and not store_failed and not kept:
            yield f"the store does not record that {place} is gone"


class _Breaker:
    """A reference breaker, driven by the ends of requests.

    After 5 failures in a row no message is sent until a probe succeeds, and then one message at a time. If the real
    breaker may have opened earlier, because probes failed too or half of the last minute's requests, start over.
    `repeats` are the numbers of the requests with a message that the store knew might repeat.
    """

    def __init__(self, place: str, repeats: frozenset[int]) -> None:
        self._place = place
        self._repeats = repeats
        self._state = "closed"
        self._moved_at = -1.0
        self._in_a_row = 0
        self._recent: list[tuple[float, bool]] = []
        """End times of the requests since then, and whether each failed."""
        self._with_probes_in_a_row = 0
        self._on_trial: Request | None = None
        self._shows: bool | None = None
        """Whether the latest message was shown, of those that were not at fault themselves.

        None if the real breaker may be half-open, after a start or as this one started over."""

    def begins(self, request: Request) -> Iterator[str]:
        """Record the start of a request."""
        if request.method == "GET":
            return
        if self._state == "open":
            down = request.began - self._moved_at
            yield f"{self._place} was sent a message while it was down, {down:.3f} s after 5 failures in a row"
        elif self._state == "half-open":
            if self._on_trial is not None and self._on_trial.ended is None:
                yield f"{self._place} was sent a second message before the first after an outage was answered"
            self._on_trial = request

    def ends(self, request: Request, at: float) -> None:
        """Record the end of a request; ignore one that began before the last state change."""
        failed, answered = _verdict(request)
        is_own, may_be_own = self._is_its_own(request)
        if request.method != "GET":
            self._learn(request, failed=failed and not is_own)
        if request.began < self._moved_at:
            return
        if request.method == "GET":
            if self._state == "open" and _is_alive(request):
                self._move("half-open", at)
            elif self._state == "closed" and not _is_alive(request):
                self._take_in(at, failed=True)
        elif may_be_own:
            self._take_in(at, failed=True)
        elif not is_own:
            self._count(at, failed=failed, answered=answered)

    def _is_its_own(self, request: Request) -> tuple[bool, bool]:
        """Whether a 5xx is the fault of a repeated message, because others pass or it is on trial; and if it may be."""
        if request.proof is not Proof.UNKNOWN or request.number not in self._repeats:
            return False, False
        is_own = self._state == "half-open" or self._shows is True
        return is_own, not is_own and self._state == "closed" and self._shows is None

    def _learn(self, request: Request, *, failed: bool) -> None:
        if request.proof is Proof.SHOWN:
            self._shows = True
        elif self._shows is True and failed:
            self._shows = False

    def _count(self, at: float, *, failed: bool, answered: bool) -> None:
        self._in_a_row = self._in_a_row + 1 if failed else 0 if answered else self._in_a_row
        if failed and (self._state == "half-open" or self._in_a_row >= _IN_A_ROW):
            self._move("open", at)
        elif answered and self._state == "half-open":
            self._move("closed", at)
        elif self._state == "closed" and (failed or answered):
            self._take_in(at, failed=failed)

    def _take_in(self, at: float, *, failed: bool) -> None:
        recent = self._recent = [each for each in self._recent if each[0] > at - _MINUTE] + [(at, failed)]
        self._with_probes_in_a_row = self._with_probes_in_a_row + 1 if failed else 0
        is_half = len(recent) >= _TO_JUDGE and 2 * sum(has_failed for _, has_failed in recent) >= len(recent)
        if failed and (is_half or self._with_probes_in_a_row >= _IN_A_ROW):
            self._move("closed", at)
            self._shows = None

    def _move(self, state: str, at: float) -> None:
        self._state, self._moved_at, self._on_trial = state, at, None
        self._in_a_row, self._with_probes_in_a_row, self._recent = 0, 0, []


def _of_breaker(evidence: Evidence, place: str, requests: list[Request]) -> Iterator[str]:
    breaker = _Breaker(place, evidence.repeats)
    steps = [(r.began, 1, r) for r in requests] + [(r.ended, 0, r) for r in requests if r.ended is not None]
    for at, begins, request in sorted(steps, key=lambda step: (step[0], step[1], step[2].number)):
        if begins:
            yield from breaker.begins(request)
        else:
            breaker.ends(request, at)


def _is_alive(probe: Request) -> bool:
    """Any answer below 500 except 429 counts as alive: some servers in Discord's place do not support probes."""
    return probe.status is not None and probe.status < 500 and probe.status != 429


def _verdict(request: Request) -> tuple[bool, bool]:
    """Whether the end of a message counts as a failure of the destination, and whether it counts as an answer."""
    if request.proof is Proof.CUT:
        assert request.ended is not None
        return request.ended - request.began >= _PATIENCE, False
    return request.proof in _FAILURES, request.proof in _ANSWERS


def _of_own_limits(evidence: Evidence) -> Iterator[str]:
    """No 429 of our own making if the headers and the assumed limits cover every limit."""
    for request in evidence.requests:
        if request.fault != OWN_LIMIT:
            continue
        channel = PLACES[request.place].channel
        is_shared = sum(place.channel == channel for place in PLACES.values()) > 1
        if request.scope == "shared" and is_shared and not SHARED_CHANNELS_ARE_KNOWN:
            continue
        if not _was_unseen(evidence, request, channel):
            yield f"{request.place} answered 429 ({request.scope}) at {request.began:.1f}, of our own making"


def _of_waits(evidence: Evidence) -> Iterator[str]:
    """After an answer that demands a wait, its destination or host gets no request until the wait is over."""
    for waiting in evidence.requests:
        if waiting.proof is not Proof.WAIT or waiting.ended is None:
            continue
        if waiting.method == "GET" and waiting.status != 429:
            continue  # any other answer to a probe does not bind messages
        is_of_the_host = waiting.fault in FAULTS and FAULTS[waiting.fault].is_of_the_host
        others = evidence.requests if is_of_the_host else evidence.by_place[waiting.place]
        for request in others[bisect_left(others, waiting.number, key=lambda each: each.number) :]:
            if request.began >= waiting.ended + waiting.wait - _ROUNDING or request.life != waiting.life:
                break
            if _asks_where_it_is(evidence.by_place[request.place], request, waiting.ended):
                continue
            if request.began > waiting.ended + _PROCESSED_IN and (request.method == "PATCH" or not waiting.holds_edits):
                early = waiting.ended + waiting.wait - request.began
                yield f"{request.place} got a request {early:.2f} s before the end of the wait for {waiting.place}"


def _asks_where_it_is(requests: list[Request], request: Request, known_at: float) -> bool:
    """True if it ends an attempt, begun before a wait was known, to edit a message that was not found.

    The card was deleted, or its webhook moved. The sink asks which before it reports the outcome of the attempt.
    """
    return request.method == "GET" and any(
        each.proof is Proof.MISSING and each.ended == request.began and each.life == request.life
        for each in requests
        if each.began <= known_at + _PROCESSED_IN
    )


def _of_the_minute(evidence: Evidence, place: str) -> Iterator[str]:
    """At most the configured messages a minute, also over restarts; a crash may lose requests not yet stored.

    A probe counts as a message. An edit, and the question of the sink after one that got a 404, do not. A request of a
    process that froze ends when another process takes over.

    Not checked within a minute after a restart if the clock was set or stood still: a process knows only from the time
    of day how long ago another one sent.
    """
    every = evidence.by_place[place]
    requests = [each for each in every if each.method != "PATCH" and not _asks_where_it_is(every, each, evidence.end)]
    limit = PLACES[place].messages_a_minute
    births = [began for _, began, _, _ in evidence.recorder.lives[1:]]
    ends = {number: ended for number, _, ended, _ in evidence.recorder.lives}
    turned = [each.began for each in evidence.recorder.troubles if each.kind in ("step", "suspend")]
    first = 0
    for number, request in enumerate(requests):
        while requests[first].began + 2 * _MINUTE < request.began:
            first += 1
        since = request.began - _MINUTE
        recent = sum(min(each.ended or inf, ends.get(each.life, inf)) > since for each in requests[first:number])
        restarts = sum(since < birth <= request.began for birth in births)
        if restarts and any(since - _LONGEST_DOWN < at < request.began for at in turned):
            continue
        if recent + 1 > limit + restarts * evidence.plan.workers:
            yield f"{place} got {recent + 1} requests in the minute until {request.began:.1f}; the limit is {limit}"


def _was_unseen(evidence: Evidence, request: Request, channel: str) -> bool:
    """True if Discord had just processed a request that the process could not know about or date.

    That is a request processed after it was cancelled, one whose process died, or any request before a restart that
    follows a clock step, because only the time of day shows how long ago another process sent.
    """
    recent = [
        each for each in evidence.requests
        if PLACES[each.place].channel == channel and request.began - _UNSEEN <= (each.ended or each.began)
        and each.number < request.number
    ]  # fmt: skip
    if any(each.fault == "hangs, recorded late" or each.proof in {Proof.LOST, Proof.CUT} for each in recent):
        return True
    restarts = [
        began for _, began, _, _ in evidence.recorder.lives if request.began - _UNSEEN <= began <= request.began
    ]
    steps = [each.began for each in evidence.recorder.troubles if each.kind in ("step", "suspend")]
    return bool(restarts) and any(at >= request.began - 3600 and at <= request.began for at in steps)

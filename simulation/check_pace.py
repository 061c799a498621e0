"""P6 and P7: urgent messages leave at once within their reserve, and no message waits for an idle destination.

The windows are recomputed here from the requests in the record. Checked are the first request of each delivery and
deliveries without one, because those wait only for their turn.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from simulation.evidence import Evidence, Owed
from simulation.faults import FAULTS, Proof
from simulation.plan import PLACES
from simulation.recorder import OPEN, Request
from simulation.workload import HIGH, URGENT

LATE = 1.0
"""Seconds that a delivery may wait at most for an idle and open destination."""
_INFINITY = float("inf")
_MARGIN = 0.2
_BELIEVED = 4.4
"""Seconds for which a request processed late may block others: an answer counts it within 2 and is valid for 2."""
_OF_A_BAN = 30.0
"""Waits of at least this many seconds end with one trial request before the others."""
_STORE_PAUSE = 7.0
"""Seconds that a lane pauses after a store failure."""
_START = 2.0
_REFUSALS, _REFUSALS_PERIOD = 40, 600.0


class _Stretch(NamedTuple):
    """A period in which a destination is blocked or disturbed."""

    began: float
    ended: float


class Judge:
    """Decides from the record whether a destination was free at a moment."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._has_reserve = evidence.plan.has_reserve
        self._ends = _ends(evidence)
        self._lapsed = {
            place: [at for owed in evidence.owed if owed.place == place for at in owed.lapsed] for place in PLACES
        }
        self._blocked = {place: list(_blocked(evidence, place)) for place in PLACES}
        self._everywhere = list(_disturbances(evidence))

    def findings(self) -> Iterator[str]:
        """Every late delivery."""
        for owed in self._evidence.owed:
            if owed.commits[0].state != "pending" or owed.turn > 1 or owed.last.passed_on_to is not None:
                continue
            if self._evidence.is_delayed(owed.submitted):
                continue
            began = owed.requests[0].began if owed.requests else _given_up(owed)
            if began is not None:
                yield from self._of_idling(owed, began)
                if self._has_reserve and owed.submitted.priority == URGENT and self._evidence.plan.workers > 1:
                    yield from self._of_reserve(owed, began)

    def _of_idling(self, owed: Owed, began: float) -> Iterator[str]:
        """P7, and P6 beyond the reserve: no delivery waits for a second while its destination is free and idle."""
        moment = began - LATE
        if moment <= owed.commits[0].at or self._waits_its_turn(owed, moment):
            return
        if self._is_idle(owed, moment, began) and self._is_open(owed.place, moment, self._urgency(owed, moment)):
            waited = began - owed.commits[0].at
            yield f"P7: {owed} waited {waited:.1f} s until {began:.1f}, the last second with an idle destination"

    def _of_reserve(self, owed: Owed, began: float) -> Iterator[str]:
        """P6: an urgent message leaves at once if the reserved part of each window is not used up."""
        at = owed.commits[0].at
        if began - at <= LATE or self._waits_its_turn(owed, at) or not self._is_undisturbed(owed.place, at, at + LATE):
            return
        busy = [r for r in self._evidence.by_place[owed.place] if r.began <= at + LATE and self._ends[r.number] > at]
        lasting = [r for r in busy if self._ends[r.number] > at + LATE / 2]
        if len(lasting) < self._evidence.plan.workers and self._is_kept_for_urgent(owed.place, at):
            yield f"P6: {owed} is urgent but waited {began - at:.1f} s within its reserve"

    def _is_kept_for_urgent(self, place: str, at: float) -> bool:
        minute = PLACES[place].messages_a_minute
        channel = [name for name, each in PLACES.items() if each.channel == PLACES[place].channel]
        return (
            self._urgent_requests([place], at, 60.0) < max(1, minute // 10)
            and self._urgent_requests(channel, at, 60.0) < 2
            and self._urgent_requests([place], at, 2.0) < 1
        )

    def _urgent_requests(self, places: list[str], at: float, period: float) -> int:
        """Number of requests in the last `period` that may have used the urgent reserve."""
        return sum(
            request.method == "GET"
            or request.trade is not None
            or self._is_urgent(request.place, [part.ref for part in request.parts], at)
            for place in places
            for request in self._evidence.by_place[place]
            if request.began <= at + LATE and self._ends[request.number] > at - period - _MARGIN
        ) + self._lapses(places, at, at - period - _MARGIN)

    def _is_urgent(self, place: str, refs: list[str], at: float) -> bool:
        known = [owed for owed in self._evidence.owed if owed.place == place and owed.ref in refs]
        return any(self._urgency(owed, at + LATE) == URGENT for owed in known)

    def _urgency(self, owed: Owed, at: float) -> int:
        """Its priority, or that of a later one in its sequence, which lifts it; a revived one lifts nothing."""
        return max(
            other.submitted.priority
            for other in self._same_sequence(owed)
            if other is owed or (other.turn == 1 and other.accepted > owed.accepted and other.commits[0].at <= at)
        )

    def _same_sequence(self, owed: Owed) -> list[Owed]:
        key = owed.place, owed.submitted.sequence
        return self._sequences()[key]

    def _sequences(self) -> dict[tuple[str, str], list[Owed]]:
        if not hasattr(self, "_by_sequence"):
            made: dict[tuple[str, str], list[Owed]] = {}
            for owed in self._evidence.owed:
                made.setdefault((owed.place, owed.submitted.sequence), []).append(owed)
            self._by_sequence = made
        return self._by_sequence

    def _waits_its_turn(self, owed: Owed, at: float) -> bool:
        """True if an earlier one of its sequence is open at `at` or has only just ended."""
        for other in self._same_sequence(owed):
            if other is not owed and other.accepted < owed.accepted:
                until = other.last.at if other.last.state not in OPEN else _INFINITY
                if until > at - _MARGIN:
                    return True
        return False

    def _is_undisturbed(self, place: str, began: float, ended: float) -> bool:
        stretches = (*self._blocked[place], *self._everywhere)
        return not any(each.began <= ended and began <= each.ended for each in stretches)

    def _is_idle(self, owed: Owed, began: float, ended: float) -> bool:
        """True if the process was undisturbed and no other request to the destination was in flight."""
        if not self._is_undisturbed(owed.place, began, ended):
            return False
        mine = owed.requests[0].number if owed.requests else -1
        return not any(
            request.began < ended and self._ends[request.number] > began and request.number != mine
            for request in self._evidence.by_place[owed.place]
        )

    def _is_open(self, place: str, at: float, urgency: int) -> bool:
        """True if each window had a free slot."""
        channel = [name for name, each in PLACES.items() if each.channel == PLACES[place].channel]
        minute = PLACES[place].messages_a_minute
        return (
            self._used([place], at, 60.0) < self._slots(minute, urgency, is_long=True)
            and self._used(channel, at, 60.0) < self._slots(28, urgency, is_long=True)
            and self._used([place], at, 2.5) < self._slots(5, urgency, is_long=False)
            and self._used(list(PLACES), at, 1.2) < 40
        )

    def _used(self, places: list[str], at: float, period: float) -> int:
        since = at - period - _MARGIN
        births = [began for _, began, _, _ in self._evidence.recorder.lives if since < began <= at]
        return sum(
            request.began <= at and (self._ends[request.number] > since or self._seems_recent(request, births, period))
            for place in places
            for request in self._evidence.by_place[place]
        ) + self._lapses(places, at, since)

    def _seems_recent(self, request: Request, births: list[float], period: float) -> bool:
        """True if a recent process takes an older request for a recent one, because the clock was set back."""
        ended, put_back = self._ends[request.number], self._evidence.recorder.put_back
        return any(
            birth - period - _MARGIN < ended + sum(by for at, by in put_back if ended <= at <= birth)
            for birth in births
            if ended <= birth
        )

    def _lapses(self, places: list[str], at: float, since: float) -> int:
        """Number of messages a dead process may have sent at its end; the next one counts them once it is ready."""
        return sum(since < lapsed + _START and lapsed <= at for place in places for lapsed in self._lapsed[place])

    def _slots(self, limit: int, urgency: int, *, is_long: bool) -> int:
        """Number of a window's slots available at this urgency."""
        if not self._has_reserve or urgency == URGENT:
            return limit
        tenth = limit // 10 if is_long else 0
        kept = max(1, tenth) + (0 if urgency == HIGH else tenth)
        return max(1, limit - kept)


def findings(evidence: Evidence) -> Iterator[str]:
    """Every violation of these promises."""
    yield from Judge(evidence).findings()


def _given_up(owed: Owed) -> float | None:
    """The end of a delivery that expired without an attempt, else None."""
    return owed.last.at if owed.last.state == "expired" else None


def _ends(evidence: Evidence) -> dict[int, float]:
    """The end of each request's flight, by number.

    A request whose process died counts until the next one starts. One processed late counts while it has an effect.
    """
    births = sorted(began for _, began, _, _ in evidence.recorder.lives)
    ends = {}
    for request in evidence.requests:
        ended = evidence.end if request.ended is None else request.ended
        if request.proof is Proof.LOST or request.ended is None:
            later = bisect_left(births, request.began)
            ended = births[later] if later < len(births) else evidence.end
        if request.processed is not None and (late := request.began + request.processed - request.true_began) > ended:
            ended = late + _BELIEVED
        ends[request.number] = ended
    return ends


def _blocked(evidence: Evidence, place: str) -> Iterator[_Stretch]:
    """Periods in which the destination's own answers blocked it."""
    yield from _waits(evidence, PLACES[place].channel)
    for request in evidence.by_place[place]:
        if request.proof is Proof.GONE:
            yield _Stretch(request.began, _INFINITY)
    refused = [r.ended for r in evidence.by_place[place] if r.status in (401, 403, 429) and r.ended is not None]
    for first, last in zip(refused, refused[_REFUSALS:], strict=False):
        if last - first < _REFUSALS_PERIOD:
            yield _Stretch(last, last + _REFUSALS_PERIOD)
    for number, _, ended, _ in evidence.recorder.lives:
        moves = [moved for moved in evidence.recorder.breakers if (moved.place, moved.life) == (place, number)]
        for one, other in pairwise([*moves, None]):
            if one is not None and one.state != "closed":
                yield _Stretch(one.at - _MARGIN, (ended if other is None else other.at) + _MARGIN)


def _waits(evidence: Evidence, channel: str) -> Iterator[_Stretch]:
    for request in evidence.requests:
        if request.proof is not Proof.WAIT or request.holds_edits:  # the wait is of edits, which are not judged
            continue
        over = (request.ended or request.began) + request.wait
        if is_of_the_host := _is_of_the_host(request.fault):
            over = _tried_after(evidence, over) if request.wait >= _OF_A_BAN else over
        if is_of_the_host or PLACES[request.place].channel == channel:
            yield _Stretch(request.began, over + LATE)
            yield from _waits_after_restart(evidence, request)


def _waits_after_restart(evidence: Evidence, request: Request) -> Iterator[_Stretch]:
    """After a restart a wait starts over if the clock was set back, because its remaining time is unknown."""
    answered = request.ended or request.began
    for _, began, _, _ in evidence.recorder.lives:
        if any(answered <= at <= began for at, _ in evidence.recorder.put_back):
            yield _Stretch(began, _tried_after(evidence, began + request.wait) + LATE)


def _tried_after(evidence: Evidence, over: float) -> float:
    """The end of the trial request after a host-wide wait; the other requests wait for it, too.

    If that answer demands another wait, a new trial follows.
    """
    first = bisect_left(evidence.requests, over - LATE, key=lambda request: request.began)
    if first == len(evidence.requests):
        return over
    trying = evidence.requests[first]
    ended = max(over, trying.ended or over)
    if trying.proof is Proof.WAIT and _is_of_the_host(trying.fault):
        return _tried_after(evidence, ended + trying.wait)
    return ended


def _is_of_the_host(name: str | None) -> bool:
    return name in FAULTS and FAULTS[name].is_of_the_host


def _disturbances(evidence: Evidence) -> Iterator[_Stretch]:
    """Periods without a process, with a failing store, or around a time jump."""
    recorder = evidence.recorder
    lives = sorted(recorder.lives, key=lambda life: life[1])
    for number, (_, began, _, _) in enumerate(lives):
        before = lives[number - 1][2] if number else 0.0
        yield _Stretch(before - _MARGIN, began + _START)
    for trouble in recorder.troubles:
        if trouble.kind in ("step", "suspend"):
            yield _Stretch(trouble.began - LATE, trouble.ended + LATE)
    for began, ended in recorder.store_trouble:
        yield _Stretch(began, ended + _STORE_PAUSE)

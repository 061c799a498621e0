"""P6 and P7: the urgent leave at once within their reserve, and nothing waits while its own far end is free.

The windows are counted anew here, from the requests that the network saw. Judged is the first request of each
delivery, and each delivery that never had one: those wait for nothing but their turn.
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
"""Seconds of waiting beside an idle and open far end that are too many."""
_INFINITY = float("inf")
_MARGIN = 0.2
_BELIEVED = 4.4
"""Seconds for which what is carried out late may hold others: an answer counts it within 2, and is believed for 2."""
_OF_A_BAN = 30.0
"""Seconds of a wait after which one request tries before the others."""
_STORE_PAUSE = 7.0
"""Seconds for which a lane leaves a store alone that failed."""
_START = 2.0
_REFUSALS, _REFUSALS_PERIOD = 40, 600.0


class _Stretch(NamedTuple):
    """In which a place may not be asked, or not freely."""

    began: float
    ended: float


class Judge:
    """Says whether a place was free at a moment, by what the recorders saw."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._has_reserve = evidence.plan.has_reserve
        self._ends = _ends(evidence)
        self._lapsed = {
            place: [at for owed in evidence.owed if owed.place == place for at in owed.lapsed] for place in PLACES
        }
        self._blocked = {place: list(_blocked(evidence, place)) for place in PLACES}
        self._everywhere = list(_unwell(evidence))

    def findings(self) -> Iterator[str]:
        """All deliveries that were late."""
        for owed in self._evidence.owed:
            if owed.commits[0].state != "pending" or owed.turn > 1:
                continue
            began = owed.requests[0].began if owed.requests else _given_up(owed)
            if began is not None:
                yield from self._of_idling(owed, began)
                if self._has_reserve and owed.submitted.priority == URGENT and self._evidence.plan.workers > 1:
                    yield from self._of_reserve(owed, began)

    def _of_idling(self, owed: Owed, began: float) -> Iterator[str]:
        """P7, and P6 beyond the reserve: it does not wait for a second in which its far end is free and idle."""
        moment = began - LATE
        if moment <= owed.commits[0].at or self._waits_its_turn(owed, moment):
            return
        if self._is_idle(owed, moment, began) and self._is_open(owed.place, moment, self._urgency(owed, moment)):
            waited = began - owed.commits[0].at
            yield f"P7: {owed} waited {waited:.1f} s until {began:.1f}, the last second beside an idle far end"

    def _of_reserve(self, owed: Owed, began: float) -> Iterator[str]:
        """P6: an urgent one leaves at once where the part of each window that is kept for it is not spent."""
        at = owed.commits[0].at
        if began - at <= LATE or self._waits_its_turn(owed, at) or not self._is_undisturbed(owed.place, at, at + LATE):
            return
        busy = [r for r in self._evidence.by_place[owed.place] if r.began <= at + LATE and self._ends[r.number] > at]
        lasting = [r for r in busy if self._ends[r.number] > at + LATE / 2]
        if len(lasting) < self._evidence.plan.workers and self._is_kept_for_urgent(owed.place, at):
            yield f"P6: {owed} is urgent, and waited {began - at:.1f} s within its reserve"

    def _is_kept_for_urgent(self, place: str, at: float) -> bool:
        minute = PLACES[place].messages_a_minute
        channel = [name for name, each in PLACES.items() if each.channel == PLACES[place].channel]
        return (
            self._urgent_requests([place], at, 60.0) < max(1, minute // 10)
            and self._urgent_requests(channel, at, 60.0) < 2
            and self._urgent_requests([place], at, 2.0) < 1
        )

    def _urgent_requests(self, places: list[str], at: float, period: float) -> int:
        """How many requests of the last `period` may have used what is kept for urgent ones."""
        return sum(
            request.method == "GET" or self._is_urgent(request.place, [part.ref for part in request.parts], at)
            for place in places
            for request in self._evidence.by_place[place]
            if request.began <= at + LATE and self._ends[request.number] > at - period - _MARGIN
        ) + self._lapses(places, at, at - period - _MARGIN)

    def _is_urgent(self, place: str, refs: list[str], at: float) -> bool:
        known = [owed for owed in self._evidence.owed if owed.place == place and owed.ref in refs]
        return any(self._urgency(owed, at + LATE) == URGENT for owed in known)

    def _urgency(self, owed: Owed, at: float) -> int:
        """Its priority, or that of a later one of its sequence, which lifts it; what is revived keeps its place."""
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
        """Whether an earlier one of its sequence is open then, or will only just have ended."""
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
        """Whether the process lived well, and nothing else was sent to the place in between."""
        if not self._is_undisturbed(owed.place, began, ended):
            return False
        mine = owed.requests[0].number if owed.requests else -1
        return not any(
            request.began < ended and self._ends[request.number] > began and request.number != mine
            for request in self._evidence.by_place[owed.place]
        )

    def _is_open(self, place: str, at: float, urgency: int) -> bool:
        """Whether each window had a slot for it."""
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
        """Whether a process that started lately takes it for one of then, for the clock was put back in between."""
        ended, put_back = self._ends[request.number], self._evidence.recorder.put_back
        return any(
            birth - period - _MARGIN < ended + sum(by for at, by in put_back if ended <= at <= birth)
            for birth in births
            if ended <= birth
        )

    def _lapses(self, places: list[str], at: float, since: float) -> int:
        """How many messages a process that died may have sent at its end: the next one counts them once it is ready."""
        return sum(since < lapsed + _START and lapsed <= at for place in places for lapsed in self._lapsed[place])

    def _slots(self, limit: int, urgency: int, *, is_long: bool) -> int:
        """How many of a window's slots are for what is so urgent."""
        if not self._has_reserve or urgency == URGENT:
            return limit
        tenth = limit // 10 if is_long else 0
        kept = max(1, tenth) + (0 if urgency == HIGH else tenth)
        return max(1, limit - kept)


def findings(evidence: Evidence) -> Iterator[str]:
    """All that contradicts these promises."""
    yield from Judge(evidence).findings()


def _given_up(owed: Owed) -> float | None:
    """When it ended without ever having been tried; None where that was not for want of time."""
    return owed.last.at if owed.last.state == "expired" else None


def _ends(evidence: Evidence) -> dict[int, float]:
    """Until when each request was in flight.

    One whose process died counts until the next one starts, and one that is carried out late as long as it is noticed.
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
    """When a place could not be asked, for what it had answered."""
    yield from _told_to_wait(evidence, PLACES[place].channel)
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


def _told_to_wait(evidence: Evidence, channel: str) -> Iterator[_Stretch]:
    for request in evidence.requests:
        if request.proof is not Proof.WAIT:
            continue
        over = (request.ended or request.began) + request.wait
        if is_of_the_host := _is_of_the_host(request.fault):
            over = _tried_after(evidence, over) if request.wait >= _OF_A_BAN else over
        if is_of_the_host or PLACES[request.place].channel == channel:
            yield _Stretch(request.began, over + LATE)
            yield from _told_again(evidence, request)


def _told_again(evidence: Evidence, request: Request) -> Iterator[_Stretch]:
    """After a restart a wait keeps its length where the clock was put back, for nobody can say how much is over."""
    told = request.ended or request.began
    for _, began, _, _ in evidence.recorder.lives:
        if any(told <= at <= began for at, _ in evidence.recorder.put_back):
            yield _Stretch(began, _tried_after(evidence, began + request.wait) + LATE)


def _tried_after(evidence: Evidence, over: float) -> float:
    """When the one request that tries after a wait of all has ended; the others wait for that, too.

    Where it is told to wait in its turn, another one tries after that.
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


def _unwell(evidence: Evidence) -> Iterator[_Stretch]:
    """When no process ran, or its store was unwell, or time jumped."""
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

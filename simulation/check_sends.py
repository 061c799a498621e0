"""P3, P4 and P5: messages are in order, repeated and marked only after an unknown outcome, and never stale."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from math import inf

from simulation.evidence import UNSURE, Evidence, Owed
from simulation.faults import Proof
from simulation.plan import FALLBACKS
from simulation.recorder import Request

_A_MOMENT = 0.01
_SURELY_NOT_SHOWN = frozenset({Proof.NOT_SHOWN, Proof.WAIT, Proof.REFUSED, Proof.GONE})


def findings(evidence: Evidence) -> Iterator[str]:
    """Every violation of these promises."""
    yield from _of_order(evidence)
    yield from _of_repeats(evidence)
    yield from _of_doubts(evidence)
    yield from _of_copies(evidence)
    yield from _of_validity(evidence)
    yield from _of_takeovers(evidence)


def _of_order(evidence: Evidence) -> Iterator[str]:
    """Within a destination and a sequence, messages are sent one at a time in order of acceptance.

    The exception is a delivery that a person revives after a later state was shown.
    """
    accepted: dict[str, int] = {}
    for owed in evidence.owed:
        accepted.setdefault(owed.ref, owed.accepted)
    lanes: dict[tuple[str, str], list[tuple[Request, str]]] = defaultdict(list)
    for (place, ref), requests in evidence.by_ref.items():
        if ref in evidence.submitted:
            lanes[place, evidence.submitted[ref].sequence] += [(request, ref) for request in requests]
    for (place, _), requests_of_lane in lanes.items():
        ordered = sorted(requests_of_lane, key=lambda each: each[0].number)
        for (one, ref), (other, later) in pairwise(ordered):
            if one.life == other.life and (one.ended is None or one.ended > other.began + _A_MOMENT):
                yield f"P3: {place}: {later} began while {ref}, of the same sequence, was still being sent"
        newest, newest_ref = -1, ""
        for request, ref in ordered:
            number = accepted.get(ref, -1)
            if number < newest and not _is_revived(evidence, place, ref, request):
                yield f"P3: {place}: {ref} was sent after {newest_ref}, which is newer"
            if number > newest and request.proof not in _SURELY_NOT_SHOWN:
                newest, newest_ref = number, ref


def _is_revived(evidence: Evidence, place: str, ref: str, request: Request) -> bool:
    origins = [place, *(each for each, others in FALLBACKS.items() if place in others)]
    return any(at <= request.began for each in origins for at, _ in evidence.recorder.revived.get((ref, each), ()))


def _of_repeats(evidence: Evidence) -> Iterator[str]:
    """A shown message is sent again only if the process could not know that it was shown, and is then marked."""
    by_ref: dict[tuple[str, str], list[Owed]] = defaultdict(list)
    for owed in evidence.owed:
        by_ref[owed.place, owed.ref].append(owed)
    for (place, ref), requests in evidence.by_ref.items():
        places = [place, *(owed.origin for owed in by_ref[place, ref] if owed.origin is not None)]
        lapsed = [at for each in places for owed in by_ref[each, ref] for at in owed.lapsed]
        elsewhere = [request for owed in by_ref[place, ref] for request in _before_it_was_passed_on(evidence, owed)]
        for number, request in enumerate(requests):
            before = [*(each for each in elsewhere if each.number < request.number), *requests[:number]]
            is_marked = next(part.is_marked for part in request.parts if part.ref == ref)
            shown = [each for each in before if each.message_id is not None]
            if shown and not is_marked:
                yield f"P4: {place}: {ref} was sent again after it was shown, without the mark"
            for each in shown:
                if each.proof not in UNSURE and not _was_forgotten(evidence, by_ref[each.place, ref], each, request):
                    yield f"P4: {place}: {ref} was sent again, after a request that ended as {each.proof}"
            is_unsure = any(each.proof in UNSURE for each in before) or any(at <= request.began for at in lapsed)
            if is_marked and not is_unsure:
                yield f"P4: {place}: {ref} is marked as a repeat without a reason"


def _before_it_was_passed_on(evidence: Evidence, owed: Owed) -> Iterator[Request]:
    """The requests of the destination that passed it on, except those after a person revived it there."""
    if owed.origin is not None:
        passed_on_at = owed.commits[0].at
        revivals = evidence.recorder.revived.get((owed.ref, owed.origin), ())
        back_at = min((at for at, _ in revivals if at >= passed_on_at), default=inf)
        yield from (each for each in evidence.by_ref[owed.origin, owed.ref] if each.began < back_at)


def _was_forgotten(evidence: Evidence, owed: list[Owed], shown: Request, again: Request) -> bool:
    """True if the process died before it could store the receipt."""
    assert shown.ended is not None
    kept = [
        commit for each in owed for commit in each.commits
        if commit.state == "delivered" and commit.at <= again.began and commit.life == shown.life
    ]  # fmt: skip
    return evidence.restart_between(shown, again) and not kept


def _of_doubts(evidence: Evidence) -> Iterator[str]:
    """An unanswered message is sent again only after the destination has answered another request."""
    for (place, ref), requests in evidence.by_ref.items():
        for before, again in pairwise(requests):
            if before.proof is not Proof.SILENCE or before.life != again.life or before.ended is None:
                continue
            if not any(
                each.status is not None and each.ended is not None and before.ended <= each.ended <= again.began
                for each in evidence.by_place[place]
            ):
                yield f"P4: {place}: {ref} was sent again after {again.began - before.ended:.1f} s without any answer"


def _of_copies(evidence: Evidence) -> Iterator[str]:
    """At most one copy of a notification in a channel is unmarked."""
    unmarked: dict[tuple[str, str], int] = defaultdict(int)
    for copy in evidence.copies:
        unmarked[copy.place, copy.ref] += not copy.is_marked
    yield from (f"P4: {place} shows {ref} {n} times unmarked" for (place, ref), n in unmarked.items() if n > 1)


def _of_validity(evidence: Evidence) -> Iterator[str]:
    """No request begins after `valid_until` or lasts beyond it, unless a clock jumps."""
    suspends = [each.began for each in evidence.recorder.troubles if each.kind == "suspend"]
    for owed in evidence.owed:
        for request in owed.requests:
            left = (owed.valid_until - request.utc).total_seconds()
            if left <= 0:
                yield f"P5: {owed}: a request began {-left:.3f} s after its expiry"
            elif request.ended is not None and request.proof is not Proof.LOST:
                over = request.ended - request.began - left
                if over > _A_MOMENT and not any(request.began <= at <= request.ended for at in suspends):
                    yield f"P5: {owed}: a request lasted {over:.3f} s beyond its validity"


def _of_takeovers(evidence: Evidence) -> Iterator[str]:
    """A process that was replaced while it was frozen sends no message more; a probe harms nobody."""
    replaced = {number: ended for number, _, ended, end in evidence.recorder.lives if end == "deposed"}
    for request in evidence.requests:
        if request.method != "GET" and request.began > replaced.get(request.life, inf):
            yield f"P11: {request.place} was sent a message at {request.began:.1f} by a process that was replaced"

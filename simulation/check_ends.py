"""P1, P2 and P10: each accepted delivery ends once, for a valid reason and in its own channel, without exceptions."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import takewhile

from simulation.evidence import UNSURE, Evidence, Owed
from simulation.faults import Proof
from simulation.plan import FALLBACKS, PLACES
from simulation.recorder import Commit

_NEXT = {
    "pending": {"pending", "leased", "expired", "unconfirmed", "cancelled", "dead"},
    "leased": {"pending", "delivered", "unconfirmed", "expired", "dead"},
}
"""Written by hand from the state diagram in the docs; pending to pending is a row that moved up."""
ENDS = ("delivered", "unconfirmed", "expired", "superseded", "suppressed", "cancelled", "dead")
_MOST_ATTEMPTS = 12
_LONGEST_BACKOFF = 60.0
_ROUNDING = 0.01


def findings(evidence: Evidence) -> Iterator[str]:
    """Every violation of these promises."""
    yield from (f"P2: a caller got {fault}" for fault in evidence.recorder.raised)
    gone = {name for name in PLACES if _is_gone(evidence, name)}
    yield from (f"P1: still open at the end: {name}" for name in evidence.recorder.left_open if name[2] not in gone)
    yield from _of_tickets(evidence)
    for owed in evidence.owed:
        yield from (f"P1: {owed}: {problem}" for problem in _of_story(owed))
        yield from (f"P1: {owed}: {problem}" for problem in _of_end(evidence, owed))
        yield from (f"P1: {owed}: {problem}" for problem in _of_passing_on(evidence, owed))
    yield from _of_channels(evidence)


def _of_tickets(evidence: Evidence) -> Iterator[str]:
    """Each accepted notification is in the store once, for each of its destinations."""
    recorder = evidence.recorder
    kept: dict[str, Counter[str]] = {}
    for owed in evidence.owed:
        if owed.turn == 1 and owed.origin is None:
            kept.setdefault(owed.id, Counter())[owed.place] += 1
    ids = Counter(recorder.refs.values())
    yield from (f"P1: {ref} was stored {count} times" for ref, count in ids.items() if count > 1)
    for submitted in recorder.submitted:
        for outcome, id, _, life in submitted.answers:
            if outcome in ("accepted", "duplicate", "suppressed"):
                wanted = Counter(evidence.submitted[submitted.ref].places)
                if recorder.refs.get(id) != submitted.ref or kept.get(id) != wanted:
                    yield f"P1: {submitted.ref} was answered {outcome} as {id}, but is stored for {kept.get(id)}"
            elif outcome == "held" and id not in recorder.refs and not _was_lost(evidence, life):
                yield f"P1: {submitted.ref} was held and is lost although its process survived"
            elif outcome == "refused" and submitted.ref in ids and not submitted.ref.endswith("c"):
                yield f"P1: {submitted.ref} was refused but stored"
            elif outcome not in ("accepted", "duplicate", "suppressed", "held", "refused"):
                yield f"P1: {submitted.ref} was {outcome}"


def _was_lost(evidence: Evidence, life: int) -> bool:
    """True if the process died while it held notifications in memory, the documented limit of `held`."""
    recorder = evidence.recorder
    ends = (number == life and end != "the end" for number, _, _, end in recorder.lives)
    return life in recorder.beside or any(ends)


def _of_story(owed: Owed) -> Iterator[str]:
    """Each state change is in the state diagram."""
    if owed.commits[0].state not in ("pending", "suppressed"):
        yield f"it began as {owed.commits[0].state}"
    for one, other in zip(owed.commits, owed.commits[1:], strict=False):
        if other.state not in _NEXT.get(one.state, ()) and not _is_elsewhere(other):
            yield f"it went from {one.state} to {other.state}"
    counted = sum(request.proof is not Proof.WAIT for request in owed.requests) + owed.lapses
    if owed.last.attempts > counted:
        yield f"it has {owed.last.attempts} attempts, after only {counted} requests and lapses that count"


def _of_end(evidence: Evidence, owed: Owed) -> Iterator[str]:
    """The final state matches the requests and messages."""
    if (rule := _RULE_OF_END.get(owed.last.state)) is not None:
        yield from rule(evidence, owed)
    for request in owed.requests:
        if request.proof is Proof.SHOWN and owed.last.state != "delivered" and owed.last.life == request.life:
            yield f"it ended as {owed.last.state} although there was a receipt"


def _of_passing_on(evidence: Evidence, owed: Owed) -> Iterator[str]:
    """It leaves for a fallback, where it goes on, only if its destination is gone, or was down for long enough."""
    to = owed.last.passed_on_to
    if to is None:
        return
    first = owed.origin or owed.place
    order = (first, *FALLBACKS.get(first, ()))
    if to not in order or order.index(to) <= order.index(owed.place):
        yield f"it was passed on to {to}"
    if not any((other.id, other.place, other.origin) == (owed.id, to, owed.place) for other in evidence.owed):
        yield f"it was passed on to {to}, which has no delivery of it"
    moves = [each for each in evidence.recorder.breakers if each.place == owed.place and each.at <= owed.last.at]
    opened = list(takewhile(lambda each: each.state != "closed", reversed(moves)))  # no message got through since
    since = owed.last.at - opened[-1].at if opened else 0.0
    if not _was_gone(evidence, owed) and since < (evidence.plan.falls_back_after or 0.0) - _ROUNDING:
        yield f"it was passed on to {to} after {since:.1f} s"


def _proofs(owed: Owed) -> set[Proof]:
    return {request.proof for request in owed.requests if request.proof is not None}


def _of_delivered(evidence: Evidence, owed: Owed) -> Iterator[str]:
    ids = {copy.message_id for copy in evidence.copies if (copy.place, copy.ref) == (owed.place, owed.ref)}
    if Proof.SHOWN not in _proofs(owed):
        yield "it is delivered, but no request for it got a receipt"
    if owed.last.message_id and owed.last.message_id not in ids:
        yield f"it is delivered as {owed.last.message_id}, which is not in its channel"


def _of_unconfirmed(evidence: Evidence, owed: Owed) -> Iterator[str]:
    elsewhere = evidence.by_ref.get((owed.origin or "", owed.ref), [])
    is_unsure = any(request.proof in UNSURE for request in (*owed.requests, *elsewhere))
    if not is_unsure and not owed.lapses and owed.turn == 1:
        yield f"it is unconfirmed, after {_proofs(owed)}"


def _of_dead(evidence: Evidence, owed: Owed) -> Iterator[str]:
    if owed.last.passed_on_to is not None:
        return
    is_spent = owed.last.attempts >= _MOST_ATTEMPTS
    if not is_spent and Proof.REFUSED not in _proofs(owed) and not _was_gone(evidence, owed):
        yield f"it is dead ({owed.last.reason}), after {_proofs(owed)}"
    if is_spent and Proof.REFUSED not in _proofs(owed) and not _did_another_pass(evidence, owed):
        yield f"it is dead ({owed.last.reason}) because of an outage in which no other message got through"


def _of_expired(evidence: Evidence, owed: Owed) -> Iterator[str]:
    if evidence.is_delayed(owed.submitted):  # nobody but the store knows when it was accepted
        return
    wait = max((request.wait for request in owed.requests), default=0.0)
    early = (owed.valid_until - owed.last.utc).total_seconds()
    if early > max(wait, _LONGEST_BACKOFF if owed.requests else 0.0):
        yield f"it expired {early:.1f} s before its time"


def _of_suppressed(_: Evidence, owed: Owed) -> Iterator[str]:
    submitted = owed.submitted
    if _is_elsewhere(owed.last):
        return
    if submitted.valid_until > max(submitted.utc, owed.commits[0].utc):  # the clock may be set back in between
        yield "it was suppressed as stale, but was not stale"


def _did_another_pass(evidence: Evidence, owed: Owed) -> bool:
    """True if the destination answered another message between this one's attempts."""
    first, last = owed.requests[0], owed.requests[-1]
    mine = {request.number for request in owed.requests}
    return any(
        request.method == "POST" and first.number < request.number < last.number and request.number not in mine
        and request.proof in {Proof.SHOWN, Proof.REFUSED, Proof.WAIT, Proof.GONE}
        for request in evidence.by_place[owed.place]
    )  # fmt: skip


def _was_gone(evidence: Evidence, owed: Owed) -> bool:
    return any(
        request.proof is Proof.GONE and (request.ended or 0.0) <= owed.last.at
        for request in evidence.by_place[owed.place]
    )


def _is_gone(evidence: Evidence, place: str) -> bool:
    """True if the webhook is gone at the end, so that its deliveries wait for a new one or expire."""
    ends = [r.ended or 0.0 for r in evidence.by_place[place] if r.proof is Proof.GONE]
    return bool(ends) and not any(name == place and at >= ends[-1] for name, at in evidence.recorder.enabled)


_RULE_OF_END = {
    "delivered": _of_delivered,
    "unconfirmed": _of_unconfirmed,
    "dead": _of_dead,
    "expired": _of_expired,
    "suppressed": _of_suppressed,
}


def _of_channels(evidence: Evidence) -> Iterator[str]:
    """P10: each message is in a channel for its audience."""
    for copy in evidence.copies:
        submitted = evidence.submitted.get(copy.ref)
        if submitted is None:
            yield f"P1: {copy.channel} shows {copy.ref}, which was never submitted"
        elif copy.place not in {*submitted.places, *_stand_ins(submitted.places)}:
            yield f"P10: {copy.ref}, a {submitted.kind} for {submitted.tier}, was shown by {copy.place}"


def _is_elsewhere(commit: Commit) -> bool:
    return commit.state == "suppressed" and "shown by a fallback" in commit.reason


def _stand_ins(places: Iterable[str]) -> Iterator[str]:
    return (each for place in places for each in FALLBACKS.get(place, ()))

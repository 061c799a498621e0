"""P1, P2 and P10: what was accepted ends once, for a reason, and where it belongs; and nobody is bothered meanwhile."""

from collections import Counter
from collections.abc import Iterator

from simulation.evidence import UNSURE, Evidence, Owed
from simulation.faults import Proof
from simulation.plan import PLACES

_NEXT = {
    "pending": {"pending", "leased", "expired", "unconfirmed", "superseded", "cancelled", "dead"},
    "leased": {"pending", "delivered", "unconfirmed", "expired", "dead"},
}
"""By hand, from the drawing in the pages; pending to pending is a row that moved up."""
ENDS = ("delivered", "unconfirmed", "expired", "superseded", "suppressed", "cancelled", "dead")
_MOST_ATTEMPTS = 12
_LONGEST_BACKOFF = 60.0


def findings(evidence: Evidence) -> Iterator[str]:
    """All that contradicts these promises."""
    yield from (f"P2: a caller got {fault}" for fault in evidence.recorder.raised)
    gone = {name for name in PLACES if _is_gone(evidence, name)}
    yield from (f"P1: still open at the end: {name}" for name in evidence.recorder.left_open if name[2] not in gone)
    yield from _of_tickets(evidence)
    for owed in evidence.owed:
        yield from (f"P1: {owed}: {problem}" for problem in _of_story(owed))
        yield from (f"P1: {owed}: {problem}" for problem in _of_end(evidence, owed))
    yield from _of_channels(evidence)


def _of_tickets(evidence: Evidence) -> Iterator[str]:
    """Who was told yes finds it in the store, once, for each destination it is meant for."""
    recorder = evidence.recorder
    kept: dict[str, Counter[str]] = {}
    for owed in evidence.owed:
        if owed.turn == 1:
            kept.setdefault(owed.id, Counter())[owed.place] += 1
    ids = Counter(recorder.refs.values())
    yield from (f"P1: {ref} was written down {count} times" for ref, count in ids.items() if count > 1)
    for submitted in recorder.submitted:
        for outcome, id, _, life in submitted.answers:
            if outcome in ("accepted", "duplicate", "suppressed"):
                wanted = Counter(evidence.submitted[submitted.ref].places)
                if recorder.refs.get(id) != submitted.ref or kept.get(id) != wanted:
                    yield f"P1: {submitted.ref} was answered {outcome} as {id}, and is kept for {kept.get(id)}"
            elif outcome == "held" and id not in recorder.refs and not _was_lost(evidence, life):
                yield f"P1: {submitted.ref} was held, and is gone though its process lived on"
            elif outcome == "refused" and submitted.ref in ids and not submitted.ref.endswith("c"):
                yield f"P1: {submitted.ref} was refused, and kept"
            elif outcome not in ("accepted", "duplicate", "suppressed", "held", "refused"):
                yield f"P1: {submitted.ref} was {outcome}"


def _was_lost(evidence: Evidence, life: int) -> bool:
    """Whether a process died with what it held in memory, which is told as the limit of `held`."""
    return any(number == life and end != "the end" for number, _, _, end in evidence.recorder.lives)


def _of_story(owed: Owed) -> Iterator[str]:
    """Each step is one that the drawing of the states has, and the end is one."""
    if owed.commits[0].state not in ("pending", "suppressed"):
        yield f"it began as {owed.commits[0].state}"
    for one, other in zip(owed.commits, owed.commits[1:], strict=False):
        if other.state not in _NEXT.get(one.state, ()):
            yield f"it went from {one.state} to {other.state}"
    counted = sum(request.proof is not Proof.WAIT for request in owed.requests) + owed.lapses
    if owed.last.attempts > counted:
        yield f"{owed.last.attempts} attempts are counted, after {counted} requests and lapses that count"


def _of_end(evidence: Evidence, owed: Owed) -> Iterator[str]:
    """The end has a reason that the other recorders confirm."""
    if (rule := _RULE_OF_END.get(owed.last.state)) is not None:
        yield from rule(evidence, owed)
    for request in owed.requests:
        if request.proof is Proof.SHOWN and owed.last.state != "delivered" and owed.last.life == request.life:
            yield f"it ended as {owed.last.state}, after a receipt"


def _proofs(owed: Owed) -> set[Proof]:
    return {request.proof for request in owed.requests if request.proof is not None}


def _of_delivered(evidence: Evidence, owed: Owed) -> Iterator[str]:
    ids = {copy.message_id for copy in evidence.copies if (copy.place, copy.ref) == (owed.place, owed.ref)}
    if Proof.SHOWN not in _proofs(owed):
        yield "it is delivered, and no request for it was answered with a receipt"
    if owed.last.message_id and owed.last.message_id not in ids:
        yield f"it is delivered as {owed.last.message_id}, which its channel does not show"


def _of_unconfirmed(_: Evidence, owed: Owed) -> Iterator[str]:
    if not _proofs(owed) & UNSURE and not owed.lapses and owed.turn == 1:
        yield f"it is unconfirmed, after {_proofs(owed)}"


def _of_dead(evidence: Evidence, owed: Owed) -> Iterator[str]:
    is_spent = owed.last.attempts >= _MOST_ATTEMPTS
    if not is_spent and Proof.REFUSED not in _proofs(owed) and not _was_gone(evidence, owed):
        yield f"it is dead ({owed.last.reason}), after {_proofs(owed)}"
    if is_spent and Proof.REFUSED not in _proofs(owed) and not _did_another_pass(evidence, owed):
        yield f"it is dead ({owed.last.reason}) of an outage in which no other passed"


def _of_expired(_: Evidence, owed: Owed) -> Iterator[str]:
    wait = max((request.wait for request in owed.requests), default=0.0)
    early = (owed.valid_until - owed.last.utc).total_seconds()
    if early > max(wait, _LONGEST_BACKOFF if owed.requests else 0.0):
        yield f"it expired {early:.1f} s before its time"


def _of_suppressed(_: Evidence, owed: Owed) -> Iterator[str]:
    submitted = owed.submitted
    if submitted.valid_until > max(submitted.utc, owed.commits[0].utc):  # the clock may be put back in between
        yield "it was suppressed as stale, and was not"


def _did_another_pass(evidence: Evidence, owed: Owed) -> bool:
    """Whether the far end took another message while this one was tried."""
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
    """Whether a place is gone in the end, so that what waits for it waits for another webhook, or for its expiry."""
    ends = [r.ended or 0.0 for r in evidence.by_place[place] if r.proof is Proof.GONE]
    return bool(ends) and not any(name == place and at >= ends[-1] for name, at in evidence.recorder.enabled)


def _of_superseded(evidence: Evidence, owed: Owed) -> Iterator[str]:
    """Only an update that waited is replaced, and only by what says the same and comes later."""
    successors = [other for other in evidence.owed if other.id in owed.last.reason and other.place == owed.place]
    if not owed.submitted.event.startswith("update"):
        yield f"it was superseded, and is {owed.submitted.event}"
    if any(request.proof in UNSURE for request in owed.requests) or owed.lapses:
        yield "it was superseded, and may have been shown"
    if not successors or successors[0].accepted <= owed.accepted:
        yield f"it was superseded by nothing that came later ({owed.last.reason})"
    elif successors[0].submitted.sequence != owed.submitted.sequence:
        yield "it was superseded by another sequence"


_RULE_OF_END = {
    "delivered": _of_delivered,
    "unconfirmed": _of_unconfirmed,
    "dead": _of_dead,
    "expired": _of_expired,
    "superseded": _of_superseded,
    "suppressed": _of_suppressed,
}


def _of_channels(evidence: Evidence) -> Iterator[str]:
    """P10: what a channel shows is meant for those who read it."""
    for copy in evidence.copies:
        submitted = evidence.submitted.get(copy.ref)
        if submitted is None:
            yield f"P1: {copy.channel} shows {copy.ref}, which nobody handed in"
        elif copy.place not in submitted.places:
            yield f"P10: {copy.ref}, a {submitted.kind} for {submitted.tier}, was shown by {copy.place}"

"""Judges a run by three records. Pure, and independent of how signalpost works.

The producers recorded their answers, the sandbox the messages that it showed, and the store the state of each delivery
and every attempt. The promises are those of docs/promises.md.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

UNSURE = frozenset({"unconfirmed", "lapsed"})
"""Outcomes of attempts after which it is unknown whether the message is shown."""
MOST_UNANSWERED = 2
"""After this many unanswered attempts, a delivery may end as unconfirmed without being shown."""
_ACCEPTED = frozenset({"accepted", "duplicate", "held"})


class Answer(NamedTuple):
    """An answer that a producer got."""

    name: str
    sequence: str
    number: int
    """Its place in its sequence."""
    destination: str
    """The intended destination."""
    outcome: str
    id: str
    tries: int = 1
    """How often it was submitted until it was answered."""


class Copy(NamedTuple):
    """A notification as shown in a channel once."""

    channel: str
    name: str
    message_id: str
    is_marked: bool = False
    """Whether the text says that it may be a repeat."""


class Kept(NamedTuple):
    """A delivery in the store at the end."""

    id: str
    name: str
    destination: str
    state: str
    message_id: str | None
    may_repeat: bool
    attempts: tuple[str, ...]
    """The outcome of each, oldest first."""

    @property
    def unsure(self) -> int:
        """The number of attempts that may have been shown."""
        return sum(outcome in UNSURE for outcome in self.attempts)


class Evidence(NamedTuple):
    """The records of a run. Each producer's answers and the copies are in order."""

    answers: Sequence[Answer]
    copies: Sequence[Copy]
    kept: Sequence[Kept]

    @property
    def numbers(self) -> dict[str, int]:
        """Counts of what happened."""
        shown = Counter((copy.channel, copy.name) for copy in self.copies)
        counts = Counter(answer.outcome for answer in self.answers)
        counts += Counter(f"ended {each.state}" for each in self.kept)
        counts += Counter(f"attempts {outcome}" for each in self.kept for outcome in each.attempts)
        counts["answered after a kill"] = sum(answer.tries > 1 for answer in self.answers)
        counts["shown"], counts["repeats"] = len(shown), len(self.copies) - len(shown)
        counts["never shown"] = sum((each.destination, each.name) not in shown for each in self.kept)
        return dict(counts)


def findings(evidence: Evidence) -> list[str]:
    """Everything that breaks a promise."""
    rules = (_of_answers, _of_keeping, _of_showing, _of_marks, _of_order)
    return [finding for rule in rules for finding in rule(evidence)]


def late_originals(evidence: Evidence) -> tuple[Evidence, int]:
    """The evidence with each late original moved to its time, and the number of late ones.

    A process that is frozen during a send may write its request when it continues, after its successor has sent the
    message again, marked as a repeat. Nothing can prevent that. Still, all copies but one must be marked.
    """
    of_place: dict[tuple[str, str], list[Copy]] = defaultdict(list)
    for copy in evidence.copies:
        of_place[copy.channel, copy.name].append(copy)
    late = {}
    for place, copies in of_place.items():
        unmarked = [copy for copy in copies if not copy.is_marked]
        if copies[0].is_marked and len(unmarked) == 1:
            late[place] = unmarked[0]
    in_time: list[Copy] = []
    for copy in evidence.copies:
        original = late.get((copy.channel, copy.name))
        if original is not None and copy is of_place[copy.channel, copy.name][0]:
            in_time.append(original)
        if copy is not original:
            in_time.append(copy)
    return evidence._replace(copies=in_time), len(late)


def _of_answers(evidence: Evidence) -> Iterator[str]:
    """A repeated submission is a duplicate, with the id of the first."""
    first: dict[str, Answer] = {}
    for answer in evidence.answers:
        known = first.setdefault(answer.name, answer)
        if answer.outcome not in _ACCEPTED:
            yield f"{answer.name} was {answer.outcome}"
        elif known is answer:
            if answer.outcome == "duplicate" and answer.tries == 1:
                yield f"{answer.name} was called a duplicate when it was submitted first"
        elif answer.outcome != "duplicate":
            yield f"{answer.name} was {answer.outcome} again"
        elif answer.id != known.id:
            yield f"{answer.name} was answered as {known.id}, and again as {answer.id}"


def _of_keeping(evidence: Evidence) -> Iterator[str]:
    """P1: each accepted notification is stored once, for its destination, in a final state. Nothing else is stored."""
    wanted = {answer.id: answer for answer in evidence.answers if answer.outcome in _ACCEPTED}
    kept: dict[str, list[Kept]] = defaultdict(list)
    for each in evidence.kept:
        kept[each.id].append(each)
        if each.id not in wanted:
            yield f"{each.name} is stored as {each.id}, which no producer got"
        if each.state not in {"delivered", "unconfirmed"}:
            yield f"{each.name} ended as {each.state}"
    for answer in wanted.values():
        places = [(each.name, each.destination) for each in kept[answer.id]]
        if not places:
            yield f"{answer.name} was {answer.outcome} as {answer.id}, and is gone"
        elif places != [(answer.name, answer.destination)]:
            yield f"{answer.name} should go to {answer.destination}, and is stored as {places}"


def _of_showing(evidence: Evidence) -> Iterator[str]:
    """P1, P4: each stored delivery is shown, at most as often as attempts were or may have been shown."""
    copies: dict[tuple[str, str], list[Copy]] = defaultdict(list)
    for copy in evidence.copies:
        copies[copy.channel, copy.name].append(copy)
    for each in evidence.kept:
        shown = copies.pop((each.destination, each.name), [])
        delivered = each.attempts.count("delivered")
        if delivered != (each.state == "delivered"):
            yield f"{each.name} ended as {each.state}, after {each.attempts}"
        if delivered and each.message_id not in {copy.message_id for copy in shown}:
            yield f"{each.name} is delivered as {each.message_id}, which was never shown"
        if not shown and each.attempts.count("unconfirmed") < MOST_UNANSWERED:
            yield f"{each.name} was never shown, after {each.attempts}"
        if len(shown) > delivered + each.unsure:
            yield f"{each.name} was shown {len(shown)} times, after {each.attempts}"
    for channel, name in copies:
        yield f"{name} was shown in {channel}, and is not stored"


def _of_marks(evidence: Evidence) -> Iterator[str]:
    """P4: each copy after the first is marked, and none is marked without an attempt that may have been shown."""
    unsure = {(each.destination, each.name) for each in evidence.kept if each.unsure}
    shown: set[tuple[str, str]] = set()
    for copy in evidence.copies:
        place = copy.channel, copy.name
        if place in shown and not copy.is_marked:
            yield f"{copy.name} was shown again without a mark"
        if copy.is_marked and place not in unsure:
            yield f"{copy.name} is marked as a repeat without a reason"
        shown.add(place)
    for each in evidence.kept:
        if each.may_repeat != bool(each.unsure):
            yield f"{each.name} is stored with may_repeat {each.may_repeat}, after {each.attempts}"


def _of_order(evidence: Evidence) -> Iterator[str]:
    """P3: in a channel, no older state of a sequence is shown after a newer one."""
    places = {answer.name: (answer.sequence, answer.number) for answer in evidence.answers}
    newest: dict[tuple[str, str], tuple[int, str]] = {}
    for copy in evidence.copies:
        if copy.name not in places:
            continue  # another rule reports it
        sequence, number = places[copy.name]
        last, before = newest.get((copy.channel, sequence), (number, copy.name))
        if number < last:
            yield f"{copy.name} was shown after {before}"
        newest[copy.channel, sequence] = max((last, before), (number, copy.name))

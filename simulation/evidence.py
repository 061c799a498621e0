"""The record of a run, indexed for the checks: deliveries, requests and messages."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from simulation.faults import Proof
from simulation.network import part_of
from simulation.plan import DELAYED, FALLBACKS
from simulation.reader import Companion
from simulation.reader_of_recaps import recap_in
from simulation.recorder import Commit, Request, Submitted
from simulation.run import Run

UNSURE = frozenset({Proof.UNKNOWN, Proof.SILENCE, Proof.CUT, Proof.LOST})
"""Request outcomes after which the sender does not know whether the message was shown."""


class Copy(NamedTuple):
    """One notification shown in a channel."""

    channel: str
    place: str
    ref: str
    is_marked: bool
    message_id: str


class Owed(NamedTuple):
    """A delivery with its commits and its requests, in order."""

    id: str
    turn: int
    place: str
    ref: str
    submitted: Submitted
    commits: tuple[Commit, ...]
    requests: tuple[Request, ...]
    valid_until: datetime
    accepted: int
    """Its place in the order of acceptance."""

    def __str__(self) -> str:
        return f"{self.ref} for {self.place}" + (f", revived ({self.turn})" if self.turn > 1 else "")

    @property
    def last(self) -> Commit:
        """The final commit."""
        return self.commits[-1]

    @property
    def origin(self) -> str | None:
        """The destination that passed it on to this one; None if it was meant for this one."""
        return self.commits[0].passed_on_from

    @property
    def lapsed(self) -> list[float]:
        """The times at which its lease was found lapsed because its process had died."""
        return [other.at for one, other in pairwise(self.commits) if one.state == "leased" and one.life != other.life]

    @property
    def lapses(self) -> int:
        """The number of lapsed leases."""
        return len(self.lapsed)


class Evidence:
    """The indexed record of a run."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.plan = run.plan
        self.recorder = recorder = run.recorder
        self.requests = recorder.requests
        self.submitted = {each.ref: each for each in reversed(recorder.submitted)}
        self.by_place: dict[str, list[Request]] = defaultdict(list)
        for request in self.requests:
            self.by_place[request.place].append(request)
        self.by_ref: dict[tuple[str, str], list[Request]] = defaultdict(list)
        for request in self.requests:
            for part in request.parts:
                self.by_ref[request.place, part.ref].append(request)
        self.repeats = frozenset(self._repeats())
        """The numbers of the requests with a message that might repeat, as the store knew when it was leased."""
        self.owed = self._owed()
        self.copies = list(self._copies())
        self.end = recorder.clocks.seconds()

    def is_delayed(self, submitted: Submitted) -> bool:
        """True for a new signal of the tier that gets its signals later."""
        is_signal = submitted.kind in {"signal", "trade"} and submitted.event == "new"
        return is_signal and submitted.tier == DELAYED and self.plan.delay > 0

    def restart_between(self, one: Request, other: Request) -> bool:
        """True if different processes sent the two requests."""
        return one.life != other.life

    def _repeats(self) -> Iterator[int]:
        """A trade's card and its companion are two messages; all versions of one of them are one.

        A lease knows what the card knows of an earlier message; the row of the delivery, recorded after it, may not.
        """
        recorder = self.recorder
        names = {number: trade for trade, number in recorder.numbers.items()}
        leased: dict[tuple[str, str, bool], list[Commit]] = defaultdict(list)
        for commit in recorder.commits:
            if commit.state == "leased":
                told = recorder.told.get(commit.id)
                of = (recorder.refs[commit.id], False) if told is None else (told.trade, told.is_companion)
                leased[commit.place, *of].append(commit)
        for request in self.requests:
            said = [(names.get(each.number, ""), isinstance(each, Companion)) for each in request.trades]
            for of in [(part.ref, False) for part in request.parts] + said:
                before = [each for each in leased[request.place, *of] if each.at <= request.began]
                if any(each.may_repeat for each in before if each.at == before[-1].at):
                    yield request.number

    def _owed(self) -> list[Owed]:
        recorder = self.recorder
        commits: dict[tuple[str, int, str], list[Commit]] = defaultdict(list)
        for commit in recorder.commits:
            commits[commit.id, commit.turn, commit.place].append(commit)
        owed = []
        for number, ((id, turn, place), story) in enumerate(commits.items()):
            if id in recorder.told:
                continue
            ref = recorder.refs[id]
            began, ended = story[0].at, self._next_turn_at(commits, id, turn, place)
            requests = tuple(r for r in self.by_ref[place, ref] if began <= r.began < ended)
            until = self.submitted[ref].valid_until
            if self.is_delayed(self.submitted[ref]) and turn == 1:  # its validity begins with its release
                until += story[0].utc - self.submitted[ref].utc + timedelta(seconds=self.plan.delay)
            lanes = {place} if story[0].passed_on_from is None else {place, *FALLBACKS}
            if turn > 1 or len(lanes) > 1:
                wishes = (each for lane in lanes for each in recorder.revived.get((ref, lane), ()))
                until = [until, *(wished for at, wished in sorted(wishes) if at <= began)][-1]
            owed.append(Owed(id, turn, place, ref, self.submitted[ref], tuple(story), requests, until, number))
        return owed

    def _next_turn_at(self, commits: dict[tuple[str, int, str], list[Commit]], id: str, turn: int, place: str) -> float:
        following = commits.get((id, turn + 1, place))
        return following[0].at if following else float("inf")

    def _copies(self) -> Iterator[Copy]:
        by_message: dict[str, Request] = {r.message_id: r for r in self.requests if r.message_id is not None}
        for channel in sorted(self.run.discord.guild.channels()):
            for message in self.run.discord.guild.messages(channel):
                if by_message[message["id"]].trade is not None:
                    continue
                place = by_message[message["id"]].place if message["id"] in by_message else "nobody"
                if (recap := recap_in(message, place)) is not None:
                    yield Copy(channel, place, recap.ref, recap.may_repeat, message["id"])
                    continue
                yield from (self._copy(channel, place, message["id"], embed) for embed in message["embeds"])

    def _copy(self, channel: str, place: str, message_id: str, embed: dict[str, Any]) -> Copy:
        part = part_of(embed)
        return Copy(channel, place, part.ref, part.is_marked, message_id)

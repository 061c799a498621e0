"""Checks of recaps: each trade that a channel showed before it ended is in one recap of its day and one of its week.

What a recap must count follows from the requests, and from the accepted changes, applied by hand as in `trades`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import combinations, pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from simulation.evidence import UNSURE, Evidence
from simulation.faults import Proof
from simulation.plan import FALLBACKS
from simulation.reader import Card
from simulation.reader_of_recaps import RecapRead, Results, recap_in
from simulation.recorder import Recapped
from simulation.trades import Standing, after, opened

_WIN = Fraction(1, 20)
_MOST_UNSURE = 10
"""More trades that may have been shown are too many to try out."""
_SETTLES_FOR = 300.0
_SLACK = 120.0


class _Version(NamedTuple):
    """A trade after a change."""

    number: int
    """How many answers to changes came before."""
    at: datetime
    """When it happened, by the book: never before the fill or the last part, even if the clock was set back."""
    standing: Standing
    last_at: datetime
    """When it was filled, or its last part was closed; before that, when it was opened."""


def findings(evidence: Evidence) -> Iterator[str]:
    """Every violation of these promises."""
    if evidence.plan.recap_days:
        yield from _Recaps(evidence).findings()


class _Recaps:
    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._recorder = recorder = evidence.recorder
        self._periods: dict[tuple[str, str], list[Recapped]] = defaultdict(list)
        for each in recorder.recaps:
            self._periods[each.of, each.kind].append(each)
        self._clock_was_set = any(each.kind == "step" for each in recorder.troubles)
        self._versions = self._all_versions()
        self._sure, self._unsure = self._all_shown()
        self._read = {recap.ref: recap for recap in self._all_read()}
        self._read_by_end = {(recap.kind, recap.of, recap.until): recap for recap in self._read.values()}

    def findings(self) -> Iterator[str]:
        for (of, kind), periods in self._periods.items():
            for before, each in pairwise(periods):
                yield from (f"recaps: {kind}, {of}: {problem}" for problem in self._of_period(before, each))
            yield from (f"recaps: {kind}, {of}: {problem}" for problem in self._of_the_last(periods[-1]))
        if not self._clock_was_set:  # back before an end, whose recap is then sent again with all trades of its period
            yield from self._of_overlaps(self._read.values())

    def _all_versions(self) -> dict[str, list[_Version]]:
        recorder = self._recorder
        actions = self._evidence.plan.actions
        orders = {each.submission.ref: each.submission.entry for each in actions if each.submission is not None}
        made = {name: [_Version(0, at, opened(orders[name]), at)] for name, at in recorder.opened_at.items()}
        changes = {asked.change.ref: asked.change for asked in recorder.asked}
        for number, each in enumerate(recorder.amended):
            if each.outcome == "accepted":
                versions = made[each.trade]
                now = after(versions[-1].standing, changes[each.change])
                at = max(each.called, versions[-1].last_at)
                versions.append(_Version(number + 1, at, now, _last_at(versions, now, at)))
        return made

    def _all_shown(self) -> tuple[dict[tuple[str, str], float], set[tuple[str, str]]]:
        """Since when the store knows that a destination showed a trade live, and where one may have been shown."""
        trades = {number: name for name, number in self._recorder.numbers.items()}
        known, unsure = self._all_known()
        sure: dict[tuple[str, str], float] = {}
        for request in self._evidence.requests:
            card = request.trade
            if not isinstance(card, Card) or card.is_ended or card.number not in trades:
                continue
            where = request.place, trades[card.number]
            if request.proof is Proof.SHOWN and where in known:
                sure.setdefault(where, max(known[where], request.ended or 0.0))
            elif request.proof in {*UNSURE, Proof.SHOWN, None}:
                unsure |= {(place, where[1]) for place in self._with_fallbacks(where[0])}
        return sure, unsure

    def _all_known(self) -> tuple[dict[tuple[str, str], float], set[tuple[str, str]]]:
        """When the store got the first receipt of each card, and where it knows that one may have been shown."""
        recorder = self._recorder
        known: dict[tuple[str, str], float] = {}
        unsure: set[tuple[str, str]] = set()
        for commit in recorder.commits:
            told = recorder.told.get(commit.id)
            if told is None or told.is_companion:
                continue
            if commit.state == "delivered":
                known.setdefault((commit.place, told.trade), commit.at)
            if commit.may_repeat:
                unsure |= {(place, told.trade) for place in self._with_fallbacks(commit.place)}
        return known, unsure

    def _with_fallbacks(self, place: str) -> tuple[str, ...]:
        has_fallbacks = self._evidence.plan.falls_back_after is not None
        return (place, *FALLBACKS.get(place, ())) if has_fallbacks else (place,)

    def _all_read(self) -> Iterator[RecapRead]:
        places = {each.message_id: each.place for each in self._evidence.requests if each.message_id is not None}
        guild = self._evidence.run.discord.guild
        for channel in sorted(guild.channels()):
            for message in guild.messages(channel):
                if (recap := recap_in(message, places[message["id"]])) is not None:
                    yield recap

    def _of_period(self, before: Recapped, each: Recapped) -> Iterator[str]:
        """A period begins where the last one ended, and its recap has the right results."""
        if each.until <= before.until:
            if not self._clock_was_set:
                yield f"the period until {each.until} came after that until {before.until}"
            return
        # With the period that was saved, or at least with its end: then its beginning is wrong.
        end = each.kind, each.of, each.until
        shown = None if each.ref is None else self._read.get(each.ref) or self._read_by_end.get(end)
        if shown is None and (each.is_repeat or self._clock_was_set):
            return
        since = before.until if shown is None else shown.since
        if since != before.until and not self._clock_was_set:
            yield f"it begins at {since}, and the one before it ended at {before.until}"
        if shown is None and each.ref is not None:
            return  # no channel shows what it says
        if each.is_repeat:
            return
        wanted = list(self._expected(each, since))
        found = (
            Results() if shown is None else shown.results._replace(open=0)
        )  # signals that never change are open, too
        if self._evidence.plan.falls_back_after is not None:  # what only a fallback showed is not missed
            found, wanted = found._replace(not_shown=0), [one._replace(not_shown=0) for one in wanted]
        if wanted and found not in wanted:
            yield f"until {each.until}: {found}, not {wanted[0]}"

    def _expected(self, recap: Recapped, since: datetime) -> Iterator[Results]:
        """The results that it may have: they depend on what was shown, which is not always known."""
        sure, unsure = self._trades_of(recap, since)
        if len(unsure) > _MOST_UNSURE:
            return
        never = self._never_shown(recap, since)
        for count in range(len(unsure) + 1):
            for chosen in combinations(unsure, count):
                missed = [each for each in unsure if each not in chosen and not each.is_live]
                yield _results([*sure, *chosen], never + len(missed))

    def _standings(self, recap: Recapped, since: datetime) -> Iterator[tuple[str, Standing]]:
        """Each trade that was live in a period, in its last state then, as far as its process knew."""
        for name, versions in self._versions.items():
            now = [each for each in versions if each.number <= recap.amended]
            ended_at = _ended_at(now)
            if now and versions[0].at < recap.until and (ended_at is None or ended_at >= since):
                is_over = ended_at is not None and ended_at < recap.until
                yield name, now[-1].standing if is_over else versions[0].standing

    def _trades_of(self, recap: Recapped, since: datetime) -> tuple[list[Standing], list[Standing]]:
        """The trades that count in a period: those that were surely shown live before, and those that may have been."""
        sure, unsure = [], []
        for name, standing in self._standings(recap, since):
            if self._sure.get((recap.of, name), float("inf")) < recap.read_at:
                sure.append(standing)
            elif (recap.of, name) in self._sure or (recap.of, name) in self._unsure:
                unsure.append(standing)
        return sure, unsure

    def _never_shown(self, recap: Recapped, since: datetime) -> int:
        """How many trades that were sent to its destination ended without being shown there."""
        sent = {each.ref for each in self._recorder.opened if recap.of in each.places}
        known = {name for place, name in (*self._sure, *self._unsure) if place == recap.of}
        return sum(name in sent - known and not each.is_live for name, each in self._standings(recap, since))

    def _of_the_last(self, last: Recapped) -> Iterator[str]:
        """No period is forgotten: it is saved some minutes after its end, or after the start of a process."""
        recorder = self._recorder
        number, began, ended, _ = recorder.lives[-1]
        if self._clock_was_set or ended - began < _SETTLES_FOR + _SLACK:
            return
        if any(since < ended and until > began for since, until in recorder.store_trouble):
            return
        days = self._evidence.plan.recap_days
        due = _newest(*days[(number - 1) % len(days)], last.kind, recorder.clocks.now())
        if due > last.until and recorder.clocks.now() - due > timedelta(seconds=_SETTLES_FOR + _SLACK):
            yield f"the period until {due} is missing, after that until {last.until}"

    def _of_overlaps(self, read: Iterable[RecapRead]) -> Iterator[str]:
        """No trade is in two recaps of a channel."""
        by_stream: dict[tuple[str, str], list[RecapRead]] = defaultdict(list)
        for recap in sorted(read, key=lambda each: (each.since, each.until)):
            by_stream[recap.of, recap.kind].append(recap)
        for (of, kind), recaps in by_stream.items():
            for one, other in pairwise(recaps):
                if other.since < one.until:
                    yield f"recaps: {kind}, {of}: {one.since} to {one.until} overlaps {other.since} to {other.until}"


def _last_at(versions: Sequence[_Version], now: Standing, at: datetime) -> datetime:
    """When the last fill or part of a trade happened, after a change `at`. Reopening it undoes parts."""
    before = versions[-1].standing
    if now.fill != before.fill or len(now.parts) > len(before.parts):
        return at
    return next(each.last_at for each in reversed(versions) if each.standing.parts == now.parts)


def _ended_at(versions: Sequence[_Version]) -> datetime | None:
    """When a trade ended; None if it is live."""
    ended_at = None
    for each in versions:
        ended_at = None if each.standing.is_live else ended_at or each.at
    return ended_at


def _results(trades: Sequence[Standing], not_shown: int) -> Results:
    closed = [each for each in trades if each.state == "closed"]
    results = [each.r for each in closed if each.open_share == 0]
    total = sum(results, Fraction(0))
    cents = int(abs(total) * 100 + Fraction(1, 2))
    won, lost = sum(r >= _WIN for r in results), sum(r <= -_WIN for r in results)
    return Results(
        won,
        lost,
        len(results) - won - lost,
        Fraction(cents if total > 0 else -cents, 100),
        not_filled=sum(each.state in {"cancelled", "expired"} for each in trades),
        no_result=len(closed) - len(results),
        not_shown=not_shown,
    )


def _newest(zone: str, hour: int, kind: str, now: datetime) -> datetime:
    """The end of the newest day or week, by the machine's clock."""
    local = now.astimezone(ZoneInfo(zone)).replace(hour=hour, minute=0, second=0, microsecond=0)
    first_day = 6 if hour else 0  # a week ends on Sunday, or at midnight before Monday
    while local.astimezone(now.tzinfo) > now or (kind == "weekly" and local.weekday() != first_day):
        local -= timedelta(days=1)
    return local.astimezone(now.tzinfo)

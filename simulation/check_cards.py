"""Checks of trades: the book has each accepted change once, and each channel shows the newest state, in order.

What a version shows is computed by hand in `trades`; what a channel shows is read from its messages by `reader`.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from simulation.evidence import UNSURE, Evidence
from simulation.faults import Proof
from simulation.plan import PLACES
from simulation.reader import Card, Companion, card_in
from simulation.recorder import Commit, Request
from simulation.tracks import Message, Track, card_of, is_late, is_sure_replacement
from simulation.trades import after, opened

_NEXT = {
    "pending": {"pending", "leased", "expired", "unconfirmed", "superseded", "suppressed", "cancelled", "dead"},
    "leased": {"pending", "leased", "delivered", "unconfirmed", "expired", "dead", "superseded", "suppressed"},
}
_MOST_ATTEMPTS = 12
_ROUNDING = 0.01
_NEWS = {"target": "target", "stop": "stop", "break-even": "stop"}
"""Changes whose news waits for more of its kind."""
_MAY_HAVE_BEEN_SHOWN = UNSURE | {Proof.SHOWN}


def findings(evidence: Evidence) -> Iterator[str]:
    """Every violation of these promises."""
    yield from _Cards(evidence).findings()


class _Cards:
    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._recorder = recorder = evidence.recorder
        self._trades = {number: trade for trade, number in recorder.numbers.items()}
        orders = {action.submission.ref: action.submission.entry for action in evidence.plan.actions
                  if action.submission is not None}  # fmt: skip
        self._delayed = {each.ref for each in recorder.opened if evidence.is_delayed(each)}
        self._versions = {trade: [opened(orders[trade])] for trade in recorder.numbers}
        self._problems = list(self._replayed())
        self._requests: dict[tuple[str, str, bool], list[Request]] = defaultdict(list)
        for request in evidence.requests:
            for said in request.trades:
                if said.number in self._trades:
                    trade = self._trades[said.number]
                    self._requests[request.place, trade, isinstance(said, Companion)].append(request)
        self._tracks = self._all_tracks()
        self._messages = self._all_messages()
        self._left: dict[tuple[str, str], float] = {}
        """Destinations and trades that a fallback shows instead, and since when."""
        self._origins: dict[tuple[str, str], set[str]] = {}
        """The destinations for which a fallback shows a trade."""
        for track in self._tracks:
            if (to := track.last.passed_on_to) is not None:  # a companion takes its card along
                self._left.setdefault((track.place, track.trade), track.last.at)
                before = self._origins.get((track.place, track.trade), set())
                self._origins[to, track.trade] = {*self._origins.get((to, track.trade), ()), track.place, *before}

    def findings(self) -> Iterator[str]:
        yield from self._problems
        yield from self._of_answers()
        yield from self._of_the_book()
        for track in self._tracks:
            yield from (f"P1: {track}: {problem}" for problem in self._of_story(track))
        for (place, trade), messages in self._messages.items():
            yield from (f"{problem[:2]}: {trade} in {place}: {problem[4:]}" for problem in (
                *self._of_order(trade, messages),
                *self._of_copies(place, trade, messages),
                *self._of_the_end(place, trade, messages),
            ))  # fmt: skip
        yield from self._of_waiting()
        yield from self._of_companions()
        yield from self._of_joined()
        yield from self._of_moves()
        yield from self._of_delays()
        yield from self._of_numbers()

    def _replayed(self) -> Iterator[str]:
        """Apply the accepted changes: each is accepted once, in the order of the versions, and for the right one."""
        changes = {asked.change.ref: asked.change for asked in self._recorder.asked}
        for each in self._recorder.amended:
            if each.outcome != "accepted":
                continue
            versions = self._versions[each.trade]
            if each.version != len(versions) + 1:
                yield f"P1: {each.trade}: {each.change} made version {each.version} after {len(versions)}"
            if each.if_version not in (None, len(versions)):
                yield f"P3: {each.trade}: {each.change} was for version {each.if_version}, and changed {len(versions)}"
            versions.append(after(versions[-1], changes[each.change]))

    def _of_answers(self) -> Iterator[str]:
        recorder = self._recorder
        by_id = {each.id: each for each in recorder.amended}
        crashed = {number for number, _, _, end in recorder.lives if end != "the end"} | {*recorder.beside}
        for asked in recorder.asked:
            for outcome, id, version, life in asked.answers:
                if outcome == "accepted" and (id not in by_id or by_id[id].outcome != "accepted"):
                    yield f"P1: {asked.change.ref} was accepted as {id}, but is not in the store"
                elif outcome == "accepted" and by_id[id].version != version:
                    yield f"P1: {asked.change.ref} was answered version {version}, and is {by_id[id].version}"
                elif outcome == "held" and id not in by_id and life not in crashed:
                    yield f"P1: {asked.change.ref} was held and is lost although its process survived"
        for submitted in recorder.opened:
            for outcome, id, _, life in submitted.answers:
                is_stored = recorder.refs.get(id) == submitted.ref
                if outcome in ("accepted", "duplicate", "suppressed") and not is_stored:
                    yield f"P1: {submitted.ref} was answered {outcome} as {id}, but is not stored"
                elif outcome == "held" and not is_stored and life not in crashed:
                    yield f"P1: {submitted.ref} was held and is lost although its process survived"

    def _of_the_book(self) -> Iterator[str]:
        for trade, versions in self._versions.items():
            booked = self._recorder.book.get(trade)
            if booked is None:
                yield f"P1: {trade} is not in the book"
            elif (booked.version, booked.state) != (len(versions), versions[-1].state):
                yield f"P1: {trade} is {booked.state}, version {booked.version}, in the book, after {len(versions)}"

    def _all_tracks(self) -> list[Track]:
        recorder = self._recorder
        commits: dict[tuple[str, int, str], list[Commit]] = defaultdict(list)
        for commit in recorder.commits:
            if commit.id in recorder.told:
                commits[commit.id, commit.turn, commit.place].append(commit)
        made = []
        for (id, turn, place), story in commits.items():
            trade, version, is_companion = recorder.told[id]
            ends = [*(commit.at for commit in story[1:]), float("inf")]
            leases = [(one.at, end) for one, end in zip(story, ends, strict=True) if one.state == "leased"]
            requests = tuple(
                request for request in self._requests[place, trade, is_companion]
                if any(began <= request.began < end for began, end in leases)
            )  # fmt: skip
            made.append(Track(id, turn, place, trade, version, is_companion, tuple(story), requests))
        return made

    def _all_messages(self) -> dict[tuple[str, str], list[Message]]:
        """What each destination showed of each trade, by message, in the order in which they were sent."""
        seen: dict[str, list[Request]] = defaultdict(list)
        for request in self._evidence.requests:
            if request.message_id is not None and isinstance(request.trade, Card):
                seen[request.message_id].append(request)
        made: dict[tuple[str, str], list[Message]] = defaultdict(list)
        for id, requests in sorted(seen.items()):
            ordered = tuple(sorted(requests, key=lambda each: (each.processed or 0.0, each.number)))
            first = ordered[0]
            trade = self._trades.get(first.trades[0].number)
            if trade is not None:  # of a signal that is not changed
                made[first.place, trade].append(Message(id, first.place, first.channel or "", first, ordered))
        for messages in made.values():  # Discord may carry out a post later than its repeat
            messages.sort(key=lambda each: each.posted.number)
        return made

    def _of_story(self, track: Track) -> Iterator[str]:
        """Each state change is in the state diagram, and the end matches the requests."""
        for one, other in pairwise(track.commits):
            if other.state not in _NEXT.get(one.state, ()):
                yield f"it went from {one.state} to {other.state}"
        state, reason, proofs = track.last.state, track.last.reason, track.proofs
        if state == "delivered" and Proof.SHOWN not in proofs:
            yield f"it is delivered, but no request for it got a receipt: {proofs}"
        has_receipt = any(each.proof is Proof.SHOWN and each.life == track.last.life for each in track.requests)
        if has_receipt and state != "delivered":
            yield f"it ended as {state} although there was a receipt"
        is_out = bool(proofs & {Proof.REFUSED, Proof.GONE, Proof.MISSING}) or track.last.passed_on_to is not None
        if state == "dead" and not is_out and not self._is_spent(track):
            yield f"it is dead ({reason}), after {proofs}"
        if state == "unconfirmed" and not any(commit.may_repeat for commit in track.commits) and not proofs & UNSURE:
            yield f"it is unconfirmed, after {proofs}"
        if state == "suppressed" and "never shown" in reason and self._was_surely_shown(track):
            yield "it was suppressed as never shown, but was shown"
        if state == "suppressed" and track.turn > 1 and self._can_be_shown(track):
            yield f"it was revived, and not sent: {reason}"
        if state == "superseded" and not _may_be_superseded(track.last):
            yield f"it was superseded ({reason})"

    def _can_be_shown(self, track: Track) -> bool:
        """True if it has the newest state and something to say, and its destination shows the trade or may show it."""
        versions, where = self._versions[track.trade], (track.place, track.trade)
        messages = self._messages.get(where, [])
        is_new_here = not messages and track.version > 1
        is_elsewhere = where in self._left or self._was_given_up(messages)
        is_undone = track.is_companion and versions[-1] in versions[:-1]  # a change was taken back
        return track.version == len(versions) and not (is_new_here or is_elsewhere or is_undone)

    def _was_given_up(self, messages: Sequence[Message]) -> bool:
        """True if people deleted its card, and the one that replaced it."""
        return sum(map(self._is_deleted, messages)) > 1 and self._is_deleted(messages[-1])

    def _of_waiting(self) -> Iterator[str]:
        """No two states of a card wait at once: the newer one takes the place of the older one in the same commit.

        A state that a person revives may wait beside a newer one whose time has not come; its lease ends it.
        """
        spans: dict[tuple[str, str], list[tuple[float, float, Track]]] = defaultdict(list)
        for track in self._tracks:
            for one, other in pairwise(track.commits):
                if one.state == "pending" and not track.is_companion and track.trade not in self._delayed:
                    spans[track.place, track.trade].append((one.at, other.at, track))
        for found in spans.values():
            for (_, until, one), (since, _, other) in pairwise(sorted(found, key=lambda span: span[:2])):
                if since < until and one.version != other.version and 1 == one.turn == other.turn:
                    yield f"P3: {one} waited beside version {other.version}, at {since:.1f}"

    def _is_spent(self, track: Track) -> bool:
        return track.last.attempts >= _MOST_ATTEMPTS or any(
            request.proof is Proof.GONE for request in self._evidence.by_place[track.place]
        )

    def _was_surely_shown(self, track: Track) -> bool:
        return any(
            message.posted.proof is Proof.SHOWN and (message.posted.ended or 0.0) < track.last.at - 1.0
            for message in self._messages.get((track.place, track.trade), ())
            if not self._is_deleted(message) and message.posted.life == track.last.life
        )

    def _is_deleted(self, message: Message) -> bool:
        return message.id in self._recorder.deleted

    def _of_order(self, trade: str, messages: Sequence[Message]) -> Iterator[str]:
        """An older state is never shown after a newer one, except by an unanswered request that is late."""
        versions = self._versions[trade]
        shown = sorted(
            (request for message in messages for request in message.seen),
            key=lambda each: (each.processed or 0.0, each.number),
        )
        newest = 0
        for request in shown:
            if is_late(request):
                continue
            assert isinstance(request.trade, Card)
            later = [n for n in range(newest, len(versions)) if versions[n].shown == request.trade.shown]
            if later:
                newest = later[0]
            elif any(version.shown == request.trade.shown for version in versions[:newest]):
                yield f"P3: {request.trade.shown} was shown after version {newest + 1}, at {request.began:.1f}"
            else:
                yield f"P1: {request.trade.shown} is none of its states: {[each.shown for each in versions]}"

    def _of_copies(self, place: str, trade: str, messages: Sequence[Message]) -> Iterator[str]:
        """A second card says why it is there, and none is posted for an ended trade that was never shown."""
        for number, message in enumerate(messages):
            card, before = card_of(message), messages[:number]
            in_doubt = self._is_in_doubt(place, trade, message)
            if before and not (card.replaces or card.may_repeat):
                yield f"P4: {message.id} is a second card without a mark, at {message.posted.began:.1f}"
            if card.may_repeat and not card.replaces and not in_doubt:
                yield f"P4: {message.id} is marked as a repeat without a reason"
            replaced = [each for each in (*before, message) if is_sure_replacement(each)]
            if card.replaces and len(replaced) > 1 + self._moves(place) + ((place, trade) in self._origins):
                yield f"P4: {message.id} is posted again, although people deleted its card twice"
            may_repeat_first = card.may_repeat and (place, trade) in self._origins
            if card.replaces and not may_repeat_first and not self._was_lost(message, before):
                yield f"P4: {message.id} replaces a card that nobody deleted"
            is_first = not before and not in_doubt and not self._shown_before(place, trade, message)
            if card.is_ended and is_first and trade not in self._delayed:
                yield f"P5: {message.id} is the first card of a trade that has ended: {card.state}"

    def _shown_before(self, place: str, trade: str, message: Message) -> bool:
        """True if another destination, which this one stands in for, showed the trade before."""
        return any(
            each.posted.number < message.posted.number
            for origin in self._origins.get((place, trade), ())
            for each in self._messages.get((origin, trade), ())
        )

    def _moves(self, place: str) -> int:
        return sum(trouble.kind in ("moved", "gone") and trouble.place == place for trouble in self._recorder.troubles)

    def _is_in_doubt(self, place: str, trade: str, message: Message) -> bool:
        """True if an earlier post may have been shown, or was shown as a message that nobody knows."""
        posted = message.posted
        places = {place, *self._origins.get((place, trade), ())}
        return any(
            request.proof in UNSURE and request.number < posted.number and request.method == "POST"
            for each in places
            for request in self._requests.get((each, trade, False), ())
        ) or self._may_be_unknown(places, trade, posted.began)

    def _may_be_unknown(self, places: set[str], trade: str, at: float) -> bool:
        """True if a card may have been sent by a process that died, or was shown without an id."""
        tracks = [track for track in self._tracks if track.place in places and track.trade == trade]
        cards = (track for track in tracks if not track.is_companion)
        return any(each <= at for track in cards for each in (*track.lapsed, *track.shown_without_id))

    def _was_lost(self, message: Message, before: Sequence[Message]) -> bool:
        """True if somebody deleted one of the cards before it, or moved the webhook away from it."""
        return any(self._is_deleted(each) or each.channel != message.channel for each in before) or not before

    def _of_the_end(self, place: str, trade: str, messages: Sequence[Message]) -> Iterator[str]:
        """The card shows the newest state, unless its last delivery ended otherwise."""
        newest, version = self._versions[trade][-1], len(self._versions[trade])
        booked = self._recorder.book.get(trade)
        if booked is None or place in self._gone() or (place, trade) in self._left:
            return
        kept = next((message for name, message, _ in booked.cards if name == place), None)
        card = next((message for message in messages if message.id == kept and not self._is_deleted(message)), None)
        tracks = [
            track for track in self._tracks
            if (track.place, track.trade, track.is_companion) == (place, trade, False) and track.version == version
        ]  # fmt: skip
        if not tracks and not self._was_given_up(messages):
            yield f"P1: version {version} was never for it, although it shows the trade"
        elif not tracks or card is None or not any(track.is_shown for track in tracks):
            return
        elif (shown := self._shown(card)) != newest.shown:
            last = card.seen[-1]
            if not is_late(last):
                yield f"P3: it shows {shown}, and the newest state is {newest.shown}"

    def _shown(self, message: Message) -> tuple[str, str | None]:
        """What the message says in its channel now."""
        for each in self._evidence.run.discord.guild.messages(message.channel):
            if each["id"] == message.id and (card := card_in(each["embeds"][0])) is not None:
                return card.shown
        return "nothing", None

    def _gone(self) -> set[str]:
        recorder, found = self._recorder, set()
        for place in PLACES:
            ends = [r.ended or 0.0 for r in self._evidence.by_place[place] if r.proof is Proof.GONE]
            if ends and not any(name == place and at >= ends[-1] for name, at in recorder.enabled):
                found.add(place)
        return found

    def _of_companions(self) -> Iterator[str]:
        """They come where the card is shown, and once for a change unless they are marked."""
        for (place, trade, is_companion), requests in self._requests.items():
            for request in requests if is_companion else ():
                if request.message_id is None:
                    continue
                if trade in self._delayed:
                    yield f"P10: {place}: a companion of {trade} came, whose tier gets its signals later"
                places = {place, *self._origins.get((place, trade), ())}
                cards = [
                    each for here in places for each in self._requests.get((here, trade, False), ())
                    if each.number < request.number and each.proof in {*_MAY_HAVE_BEEN_SHOWN, None}
                ]  # fmt: skip
                if not cards and not self._may_be_unknown(places, trade, request.began):
                    yield f"P10: {place}: a companion of {trade} came, but its card was never shown"
        for track in self._tracks:
            shown = [request for request in track.requests if track.is_companion and request.message_id is not None]
            for request in shown[1:]:
                if not all(isinstance(said, Companion) and said.may_repeat for said in request.trades):
                    yield f"P4: {track} was sent twice without the mark, at {request.began:.1f}"

    def _of_joined(self) -> Iterator[str]:
        """News that waits leaves with the next news of the same kind, and never alone."""
        kinds = {asked.change.ref: _NEWS.get(asked.change.kind) for asked in self._recorder.asked}
        news = {(each.trade, each.version): kinds[each.change]
                for each in self._recorder.amended if each.outcome == "accepted"}  # fmt: skip
        order = {commit: number for number, commit in enumerate(self._recorder.commits)}
        companions = {(track.place, track.trade, track.version): track for track in self._tracks if track.is_companion}
        for (place, trade, version), track in companions.items():
            kind, following = news.get((trade, version + 1)), companions.get((place, trade, version + 1))
            if kind is None or news[trade, version] != kind or following is None:
                continue
            put = following.commits[0]  # in its transaction, a lease may come before it
            before = [commit for commit in track.commits if order[commit] < order[put]]
            has_waited = before and all(each.state == "pending" and not each.may_repeat for each in before)
            if has_waited and any(request.began > put.at for request in track.requests):
                yield f"P4: {track} was sent although the news at {put.at:.1f} includes it"

    def _of_moves(self) -> Iterator[str]:
        """A trade that a fallback shows is not shown any more where it was."""
        for (place, trade, _), requests in self._requests.items():
            left = self._left.get((place, trade), float("inf"))
            for request in requests:
                if request.began > left:
                    yield f"P4: {place}: {trade} was sent at {request.began:.1f}, after it was passed on at {left:.1f}"

    def _of_delays(self) -> Iterator[str]:
        """A tier that gets its signals later sees nothing of them before. Not checked if the clock was set."""
        if any(trouble.kind in {"step", "suspend"} for trouble in self._recorder.troubles):
            return
        opened_at = {submitted.ref: submitted.at for submitted in reversed(self._recorder.opened)}
        for (place, trade, _), requests in self._requests.items():
            for request in requests if trade in self._delayed else ():
                early = opened_at[trade] + self._evidence.plan.delay - request.began
                if early > _ROUNDING:
                    yield f"P10: {place}: {trade} was sent {early:.1f} s before its release"

    def _of_numbers(self) -> Iterator[str]:
        """Each trade has a number of its own, and its messages have it."""
        if len(self._trades) < len(self._recorder.numbers):
            yield "P1: two trades have the same number"
        for request in self._evidence.requests:
            for said in request.trades:
                if said.number not in self._trades:
                    yield f"P1: {request.place} was sent #{said.number}, which is no trade that changes"
            if (count := len({said.number for said in request.trades})) < len(request.trades) or count == 2:
                yield f"P4: {request.place} was sent {len(request.trades)} lines on {count} trades"


def _may_be_superseded(last: Commit) -> bool:
    """True unless it has another reason, or a newer state took its place although it may have been shown."""
    return last.reason.startswith("superseded") and not (last.may_repeat and "superseded by" in last.reason)

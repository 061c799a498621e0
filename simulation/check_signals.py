"""P8: each strategy makes the signals of a batch computation over the candles it took, and each is shown once.

What a stream took follows from the feed's answers before its commits. The rules are applied here by hand; the averages
come from `tests.contracts.exact_batch`, which shares no code with signalpost.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any, NamedTuple

from signalpost import Candle
from signalpost.delivery.outbox.book import BookEntry
from simulation import check_follower
from simulation.candles import Series
from simulation.check_follower import Followed
from simulation.faults import Proof
from simulation.reader import Card, card_in
from simulation.recorder import Answered, Commit, Saved, Told
from simulation.run import Run
from simulation.workload import SIGNALS_TO
from tests.contracts.exact_batch import crosses

CORRECTABLE = 3
"""How many of the last candles a correction changes."""
_JUST_BEFORE = 150.0
"""Seconds from a disturbance in which a signal may expire because of it."""
_SHORT = 900.0
"""Seconds of validity that may be too short for a retry."""
_MISSED = re.compile(r"<t:\d+:t> · \S+ (long|short)$")
_MORE = re.compile(r"and \d+ more$")


class Expected(NamedTuple):
    """A signal that a stream must have made."""

    stop: Fraction
    target: Fraction
    fates: frozenset[str]
    """`posted`, `too-old`, or `late-correction`; two if it was saved while its validity ended."""


class Key(NamedTuple):
    """Identifies a signal."""

    pair: str
    timeframe: str
    opened: datetime
    side: str


def findings(run: Run) -> Iterator[str]:
    """Every violation of this promise."""
    yield from (f"P1: still open at the end: {name}" for name in run.recorder.left_open)
    book: dict[Key, BookEntry] = {}
    for entry in run.trades:
        signal = entry.trade.signal
        key = Key(str(signal.pair), str(signal.timeframe), signal.timestamp, str(signal.signal_type))
        if key in book:
            yield f"P8: {key} is twice in the book"
        book[key] = entry
    replayed = [_Stream(run, series) for series in run.series]
    expected = {key: each for stream in replayed for key, each in stream.expected.items()}
    yield from (f"P8: not made: {key}" for key in expected.keys() - book.keys())
    yield from (f"P8: made without a cross: {key}" for key in book.keys() - expected.keys())
    gone = {key for stream in replayed for key in stream.gone}
    shown = _Shown(run)
    for stream in replayed:
        yield from stream.problems
        for key in stream.expected.keys() & book.keys():
            yield from _of_signal(key, expected[key], book[key], is_gone=key in gone)
            yield from shown.findings(key, book[key], stream.series)
        entries = [each for key, each in book.items() if key in stream.expected]
        posted = [each for each in entries if fate_of(each) == "posted"]
        trades = check_follower.followed(run, stream.series, posted)
        yield from check_follower.findings(stream.series, posted, trades)
        yield from shown.of_states(stream.series, trades, posted)


def _of_signal(key: Key, expected: Expected, entry: BookEntry, *, is_gone: bool) -> Iterator[str]:
    signal = entry.trade.signal
    made = tuple(Fraction(each or 0) for each in (signal.stop_loss, signal.take_profit))
    if made != (expected.stop, expected.target):
        yield f"P8: {key} has other prices than the batch computation"
    if (fate := fate_of(entry)) not in expected.fates:
        yield f"P8: {key} is {fate}, not {' or '.join(sorted(expected.fates))}"
    if fate == "posted" and ("revised" in entry.trade.flags) is not is_gone:
        yield f"P8: {key} is {'not ' * is_gone}marked as revised"


def fate_of(entry: BookEntry) -> str:
    """Whether a signal was posted, or why not."""
    end = entry.trade.end
    return "posted" if "unpublished" not in entry.trade.flags or end is None else (end.text or "").partition(":")[0]


class _Stream:
    """The candles that a stream took, applied by hand commit by commit."""

    def __init__(self, run: Run, series: Series) -> None:
        self.series = series
        self.expected: dict[Key, Expected] = {}
        self.gone: set[Key] = set()
        self.problems: list[str] = []
        self._taken: list[Candle] = []
        self._ids: dict[datetime, set[str]] = {}
        self._history_until: datetime | None = None
        answers: dict[int, Answered] = {}
        for each in run.recorder.of_streams:
            if each.stream != series.config.stream:
                continue
            if isinstance(each, Answered):
                answers[each.life] = each
                self._history_until = self._history_until or each.asked
            else:
                self._commit(answers[each.life], each)
        self._compare()

    def _compare(self) -> None:
        """Each candle was taken once, with its final prices, except some that came after the next one."""
        if not self._taken:
            self.problems.append(f"P8: {self.series.config.key} took no candle")
            return
        made = {each.candle.time: each for each in self.series.candles if each.candle.time >= self._taken[0].time}
        taken = {each.time: each for each in self._taken}
        for at, each in made.items():
            if at not in taken and not each.is_out_of_order:
                self.problems.append(f"P8: {self.series.config.key} skipped the candle of {at}")
            elif at in taken and taken[at].close != each.candle.close:
                self.problems.append(f"P8: {self.series.config.key} has an outdated candle of {at}")

    def _commit(self, answer: Answered, saved: Saved) -> None:
        known = {each.time: number for number, each in enumerate(self._taken)}
        recent = range(max(0, len(self._taken) - CORRECTABLE), len(self._taken))
        changed = [
            known[each.time] for each in answer.candles
            if known.get(each.time) in recent and self._taken[known[each.time]].close != each.close
        ]  # fmt: skip
        for each in answer.candles:
            if known.get(each.time) in changed:
                self._taken[known[each.time]] = each
        if changed:
            self._correct(range(min(changed), len(self._taken)))
        before = len(self._taken)
        self._taken += [each for each in answer.candles if not known or each.time > self._taken[before - 1].time]
        if saved.watermark != self._taken[-1].time:
            self.problems.append(f"P8: {self.series.config.key} saved {saved.watermark} after {self._taken[-1].time}")
        for number, side, stop, target in self._crosses(range(before, len(self._taken))):
            opened = self._taken[number].time
            self._ids[opened] = {side}
            closed, until = self.series.slots[opened]
            if self._history_until is not None and closed > self._history_until:
                fates = {"posted"} if saved.utc < until else {"too-old"}
                fates |= {"posted"} if answer.asked < until else {"too-old"}
                self.expected[self._key(opened, side)] = Expected(stop, target, frozenset(fates))

    def _correct(self, numbers: range) -> None:
        now = {self._taken[number].time: (side, stop, target) for number, side, stop, target in self._crosses(numbers)}
        for number in numbers:
            opened = self._taken[number].time
            ids = self._ids.setdefault(opened, set())
            side, stop, target = now.get(opened, ("", Fraction(0), Fraction(0)))
            self.gone |= {self._key(opened, each) for each in ids if each != side}
            if side and side not in ids:
                ids.add(side)
                fate = frozenset({"late-correction"})
                self.expected[self._key(opened, side)] = Expected(stop, target, fate)

    def _key(self, opened: datetime, side: str) -> Key:
        return Key(str(self.series.config.pair), str(self.series.config.timeframe), opened, side)

    def _crosses(self, numbers: range) -> Iterator[tuple[int, str, Fraction, Fraction]]:
        """The crosses of these candles; the averages need only the last ones before them."""
        if not numbers:
            return
        config = self.series.config
        first = max(0, numbers.start - max(config.slow, config.atr_period) - 2)
        for cross in crosses(self._taken[first : numbers.stop], config):
            if first + cross.index in numbers and not cross.filters:
                yield first + cross.index, cross.side, cross.prices["stop_loss"], cross.prices["take_profit"]


class _Shown:
    """What the channels show of the signals, and of those that were missed."""

    def __init__(self, run: Run) -> None:
        self._recorder = run.recorder
        self._numbers: dict[tuple[str, int], list[bool]] = {}
        """By destination and number: for each card whether it is marked as a repeat."""
        self._states: dict[tuple[str, int], set[str]] = {}
        """By destination and number: the state in the title of each card."""
        self._missed: dict[tuple[str, str], list[bool]] = {}
        """The same by destination and line of a digest."""
        self._is_cut: set[str] = set()
        """Destinations with a digest that lists only its first signals."""
        self._unsure: set[tuple[str, int | None]] = set()
        """Destinations and numbers, or None for a digest, with a request that did not end with a receipt."""
        for request in run.recorder.requests:
            if request.method != "GET" and request.proof is not Proof.SHOWN:
                self._unsure |= {(request.place, said.number) for said in request.trades} or {(request.place, None)}
        self._commits: dict[tuple[str, str], list[Commit]] = {}
        for commit in run.recorder.commits:
            if (ref := run.recorder.refs.get(commit.id)) is not None:
                self._commits.setdefault((commit.place, ref), []).append(commit)
        places = {each.message_id: each.place for each in run.recorder.requests if each.message_id is not None}
        self._marked = {
            each.message_id for each in run.recorder.requests
            if each.method == "POST" and isinstance(each.trade, Card) and each.trade.may_repeat
        }  # fmt: skip
        """Messages that were posted as repeats; an edit renews the footer."""
        for channel in run.discord.guild.channels():
            for message in run.discord.guild.messages(channel):
                self._read(places[message["id"]], message)

    def _read(self, place: str, message: Mapping[str, Any]) -> None:
        for embed in message["embeds"]:
            if (card := card_in(embed)) is not None:
                self._numbers.setdefault((place, card.number), []).append(message["id"] in self._marked)
                self._states.setdefault((place, card.number), set()).add(card.state)
            for line in embed.get("description", "").split("\n"):
                if _MISSED.match(line):
                    is_marked = "may repeat" in embed["footer"]["text"]
                    self._missed.setdefault((place, line), []).append(is_marked)
                elif _MORE.match(line):
                    self._is_cut.add(place)

    def findings(self, key: Key, entry: BookEntry, series: Series) -> Iterator[str]:
        """A posted signal is shown once in each of its channels, and one that is too old is in one digest there."""
        number, fate = entry.trade.number, fate_of(entry)
        side = "long" if key.side == "BUY" else "short"
        line = f"<t:{int(series.slots[key.opened][0].timestamp())}:t> · {key.pair.replace('_', '/')} {side}"
        for place in {each for tier in series.tiers for each in SIGNALS_TO[tier]}:
            cards, lines = self._numbers.get((place, number), []), self._missed.get((place, line), [])
            if cards.count(False) > 1 or lines.count(False) > 1:
                yield f"P8: {place} shows #{number}, {key}, twice"
            if (cards and fate != "posted") or (lines and fate != "too-old"):
                yield f"P8: {place} shows #{number}, {key}, which is {fate}"
            if fate == "posted" and not cards and not self._may_be_absent(place, number, entry.trade.signal.signal_id):
                yield f"P8: {place} does not show #{number}, {key}"
            if fate == "too-old" and not lines and place not in self._is_cut and (place, None) not in self._unsure:
                yield f"P8: {place} has no digest with #{number}, {key}"

    def of_states(self, series: Series, trades: Mapping[int, Followed], posted: Sequence[BookEntry]) -> Iterator[str]:
        """A card shows the state of its trade after the last candle, if the newest state got there."""
        for entry in posted:
            trade = entry.trade
            for place in {each for tier in series.tiers for each in SIGNALS_TO[tier]}:
                states = self._states.get((place, trade.number), set())
                wanted = trades[trade.number].title
                ends = self._ends(place, Told(trade.signal.signal_id, trade.version, is_companion=False))
                if states and wanted not in states and ends & {"delivered"}:
                    yield f"P3: {place} shows #{trade.number} as {sorted(states)}, and its state is {wanted}"
                if states and not ends and self._knows(place, trade.signal.signal_id):
                    yield f"P1: version {trade.version} of #{trade.number} was never for {place}, which shows it"

    def _knows(self, place: str, name: str) -> bool:
        """True if the store got a receipt of a trade's card."""
        told = self._recorder.told
        ids = {id for id, each in told.items() if each.trade == name and not each.is_companion}
        delivered = (each for each in self._recorder.commits if each.state == "delivered" and each.place == place)
        return any(each.id in ids for each in delivered)

    def _ends(self, place: str, told: Told) -> set[str]:
        """The last states of the deliveries of a version of a card."""
        names = [name for name, each in self._recorder.told.items() if each == told]
        last = {each.id: each.state for each in self._recorder.commits if each.place == place and each.id in names}
        return set(last.values())

    def _may_be_absent(self, place: str, number: int, ref: str) -> bool:
        """True if it ended without a receipt, or expired while the machine could not deliver."""
        first, *_, last = [*self._commits[place, ref][:1], *self._commits[place, ref]]
        if last.state in {"superseded", "suppressed"}:  # by its end
            return ref in self._recorder.ended
        if last.state != "expired":  # its process died while it was sent, or a request got no receipt
            return last.may_repeat or (place, number) in self._unsure
        is_short = (last.utc - first.utc).total_seconds() < _SHORT
        return is_short or any(
            each.began - _JUST_BEFORE < last.at < each.ended + _JUST_BEFORE for each in self._recorder.troubles
        )

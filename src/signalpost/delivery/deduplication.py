"""Decides whether a new signal or a price note is posted, by the user's filters and by what was posted before. Pure.

Only cooldowns and maxima stop price notes. For a note they count signals and notes; for a signal they count signals
only, so that a note never stops a signal. All other changes of a trade always reach everyone who saw it.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import NamedTuple, Protocol

import msgspec

from signalpost.domain import exact
from signalpost.domain.instant import iso
from signalpost.domain.instrument import Instrument
from signalpost.domain.price_step import USUAL_STEP, PriceStep
from signalpost.domain.signal import Signal
from signalpost.domain.timeframe import Timeframe
from signalpost.domain.value import encoded
from signalpost.domain.words import Word

_TOLERANCE = Decimal("1e-9")
"""A ratio of reward to risk is a quotient, so it may have been rounded."""
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_SAME = timedelta(milliseconds=1)
"""For a note, only posts up to its own time count, so that a late candle does not change the decision."""
_MOST_REMEMBERED = 10_000
MOST_DIGITS = 6
"""The most digits of a limit that is a count or a number of minutes."""


class FilterRule(Word):
    """Why a new signal or a price note is not posted."""

    NOTIFICATIONS_DISABLED = "notifications-disabled"
    PAIR_NOT_ENABLED = "pair-not-enabled"
    TIMEFRAME_NOT_ENABLED = "timeframe-not-enabled"
    MIN_CONFIDENCE = "min-confidence"
    MIN_RR = "min-rr"
    DUPLICATE = "duplicate"
    """A signal of the same strategy, pair, timeframe, side and candle was posted."""
    PAIR_COOLDOWN = "pair-cooldown"
    """The pair's last signal has the same side and was posted a short time ago."""
    MAX_PER_MINUTE = "max-per-minute"
    MAX_PER_HOUR = "max-per-hour"
    MAX_PER_DAY = "max-per-day"


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """The limits on new signals and price notes; by default, there are none.

    A limit also stops signals without the value that it limits. Pairs and timeframes can have any spelling. Raises
    InvalidValue.
    """

    notifications_enabled: bool = True
    pairs: frozenset[Instrument] = frozenset()
    """Only these; empty for all."""
    timeframes: frozenset[Timeframe] = frozenset()
    """Only these; empty for all."""
    min_confidence: Decimal = Decimal(0)
    """From 0 to 1; 0 for no limit."""
    min_rr: Decimal = Decimal(0)
    """The minimum ratio of reward to risk; 0 for no limit."""
    one_per_candle: bool = False
    """Whether signals with different ids can be duplicates of each other."""
    pair_cooldown_minutes: int = 0
    """Minutes after a pair's last signal in which no other signal of its side is posted; 0 for no limit."""
    max_per_minute: int = 0
    """0 for no limit."""
    max_per_hour: int = 0
    """0 for no limit."""
    max_per_day: int = 0
    """Within 24 hours; 0 for no limit."""
    price_notes: PriceStep | None = USUAL_STEP
    """The distance between the levels that cause price notes; None for no notes."""

    def __post_init__(self) -> None:
        converted = {
            "pairs": frozenset(map(Instrument, self.pairs)),
            "timeframes": frozenset(map(Timeframe, self.timeframes)),
            "min_confidence": exact.share(self.min_confidence, "min_confidence"),
            "min_rr": exact.non_negative(self.min_rr, "min_rr"),
            **{name: exact.whole(getattr(self, name), name, most=10**MOST_DIGITS - 1) for name in _COUNTS},
        }
        for name, value in converted.items():
            msgspec.structs.force_setattr(self, name, value)


_COUNTS = ("pair_cooldown_minutes", "max_per_minute", "max_per_hour", "max_per_day")
NO_FILTERS = Filters()
ONE_PER_CANDLE = Filters(one_per_candle=True)


class Decision(NamedTuple):
    """Whether a signal is posted. It is true if so."""

    allowed: bool
    rule: FilterRule | None = None
    """Why it is not posted."""
    reason: str | None = None
    """The rule in words, with the values."""

    def __bool__(self) -> bool:
        return self.allowed


class Posted(NamedTuple):
    """A signal that was allowed."""

    at: datetime
    signal: Signal


class Past(Protocol):
    """Signals that were posted, or had a price note, between two instants, which are both exclusive."""

    def count(self, after: datetime, before: datetime) -> int:
        """The number of signals or notes."""
        ...

    def last_of(self, pair: Instrument, after: datetime, before: datetime) -> Posted | None:
        """The last one of a pair; of several at the same time, the one that was posted last."""
        ...


class History(Past, Protocol):
    """The signals that were posted."""

    def of_candle(self, signal: Signal, after: datetime, before: datetime) -> Posted | None:
        """A signal with the same `candle_of` as this one; None if there is none."""
        ...


def notes_count_for(filters: Filters) -> timedelta:
    """How long price notes count. Older ones can be deleted."""
    return max(_DAY, filters.pair_cooldown_minutes * _MINUTE)


class SignalHistory:
    """A history in memory: the last 10,000 signals."""

    def __init__(self, posted: Iterable[Posted] = ()) -> None:
        self._posted = deque(posted, _MOST_REMEMBERED)

    def add(self, posted: Posted) -> None:
        """Remember a signal."""
        self._posted.append(posted)

    def count(self, after: datetime, before: datetime) -> int:
        """The number of signals between two instants."""
        return sum(after < each.at < before for each in self._posted)

    def of_candle(self, signal: Signal, after: datetime, before: datetime) -> Posted | None:
        """The first one of the same candle as this signal between two instants."""
        wanted = candle_of(signal)
        return next(
            (each for each in self._posted if candle_of(each.signal) == wanted and after < each.at < before), None
        )

    def last_of(self, pair: Instrument, after: datetime, before: datetime) -> Posted | None:
        """The last signal of a pair between two instants."""
        posted = [each for each in self._posted if each.signal.pair == pair and after < each.at < before]
        return last_of(posted)


class SignalDeduplicationService:
    """Applies filters to new signals, and remembers those that it allowed; `history` has earlier ones.

    The default filters stop only repeats: signals of the same strategy, pair, timeframe, side and candle.
    """

    def __init__(self, filters: Filters = ONE_PER_CANDLE, history: Iterable[Posted] = ()) -> None:
        self._filters = filters
        posted = list(history)
        self._history = SignalHistory(posted)
        self._ids = {each.signal.signal_id for each in posted}

    def judge(self, signal: Signal, now: datetime) -> Decision:
        """Decide whether a signal is posted `now`. If it is, it is remembered."""
        decision = decide(signal, now, self._filters, self._history)
        if decision.allowed and signal.signal_id in self._ids:
            return Decision(False, FilterRule.DUPLICATE, f"a signal with the id {signal.signal_id} was posted")
        if decision.allowed:
            self._ids.add(signal.signal_id)
            self._history.add(Posted(now, signal))
        return decision


_Stops = Iterator[tuple[FilterRule, str]]


def decide(signal: Signal, now: datetime, filters: Filters, history: History) -> Decision:
    """Whether a new signal is posted `now`, or else the first rule that stops it."""
    return _first(
        _by_itself(signal, filters),
        _by_its_candle(signal, now, filters, history),
        _by_its_pair(signal, now, filters, history),
        _by_number(now, filters, history),
    )


def decide_note(signal: Signal, at: datetime, filters: Filters, signals: Past, notes: Past) -> Decision:
    """Whether a price note of a candle that closed `at` is posted on a signal, or else the first rule that stops it."""
    both = (signals, notes)
    return _first(_by_its_pair(signal, at, filters, *both, ahead=_SAME), _by_number(at, filters, *both, ahead=_SAME))


def _first(*stops: _Stops) -> Decision:
    for rule, reason in chain(*stops):
        return Decision(False, rule, reason)
    return Decision(True)


def _by_itself(signal: Signal, filters: Filters) -> _Stops:
    confidence, ratio = signal.confidence_score, signal.risk_reward_ratio
    if not filters.notifications_enabled:
        yield FilterRule.NOTIFICATIONS_DISABLED, "new signals are turned off"
    if filters.pairs and signal.pair not in filters.pairs:
        yield FilterRule.PAIR_NOT_ENABLED, f"its pair is {signal.pair}, and only {_listed(filters.pairs)} are enabled"
    if filters.timeframes and signal.timeframe not in filters.timeframes:
        its = "it has no timeframe" if signal.timeframe is None else f"its timeframe is {signal.timeframe}"
        yield FilterRule.TIMEFRAME_NOT_ENABLED, f"{its}, and only {_listed(filters.timeframes)} are enabled"
    if filters.min_confidence and (confidence is None or confidence < filters.min_confidence):
        minimum = filters.min_confidence
        yield FilterRule.MIN_CONFIDENCE, f"its confidence is {_number(confidence)}; the minimum is {minimum}"
    if filters.min_rr and (ratio is None or exact.difference(filters.min_rr, ratio) > _TOLERANCE):
        yield FilterRule.MIN_RR, f"its ratio of reward to risk is {_number(ratio)}; the minimum is {filters.min_rr}"


def _by_its_candle(signal: Signal, now: datetime, filters: Filters, history: History) -> _Stops:
    if filters.one_per_candle:
        since = min(signal.timestamp, now) - _HOUR  # a clock may have been wrong
        if (same := history.of_candle(signal, since, now + _DAY)) is not None:
            yield FilterRule.DUPLICATE, f"{same.signal.signal_id} is of the same candle, strategy and side"


def _by_its_pair(
    signal: Signal, now: datetime, filters: Filters, *histories: Past, ahead: timedelta | None = None
) -> _Stops:
    cooldown = filters.pair_cooldown_minutes * _MINUTE
    if cooldown:
        end = now + (cooldown if ahead is None else ahead)
        found = [each.last_of(signal.pair, now - cooldown, end) for each in histories]
        last = last_of(each for each in found if each is not None)
        if last is not None and last.signal.signal_type is signal.signal_type:  # the other side is always news
            wait = f"the next one may be posted {filters.pair_cooldown_minutes} minutes later"
            which = f"a {signal.signal_type} of {signal.pair}{' or a note on one' if histories[1:] else ''}"
            yield FilterRule.PAIR_COOLDOWN, f"{which} was posted at {iso(last.at)}; {wait}"


def _by_number(now: datetime, filters: Filters, *histories: Past, ahead: timedelta | None = None) -> _Stops:
    what = "signals and price notes" if histories[1:] else "signals"
    limits = (
        (FilterRule.MAX_PER_MINUTE, filters.max_per_minute, _MINUTE, "a minute"),
        (FilterRule.MAX_PER_HOUR, filters.max_per_hour, _HOUR, "an hour"),
        (FilterRule.MAX_PER_DAY, filters.max_per_day, _DAY, "24 hours"),
    )
    for rule, limit, period, word in limits:
        end = now + (period if ahead is None else ahead)  # one that is far ahead was posted when the clock was wrong
        if limit and (count := sum(each.count(now - period, end) for each in histories)) >= limit:
            yield rule, f"{what} posted within {word}: {count}; the maximum is {limit}"


def candle_of(signal: Signal) -> str:
    """The strategy, pair, timeframe, side and candle of a signal, as one text for comparison."""
    parts = (signal.strategy_name, signal.pair, signal.timeframe, signal.signal_type, iso(signal.timestamp))
    return encoded([None if part is None else str(part) for part in parts]).decode()


def last_of(posted: Iterable[Posted]) -> Posted | None:
    """The last of some signals; None if there are none."""
    return next(iter(sorted(posted, key=lambda each: each.at)[-1:]), None)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(map(str, names)))


def _number(value: Decimal | None) -> str:
    return "unknown" if value is None else format(exact.plain(value), "f")

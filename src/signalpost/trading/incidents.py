"""Which feeds and strategies fail, since when, and when operators are alerted. Pure.

A feed that fails for a minute is one incident, however many streams it has. If its other streams work, each series of
candles that fails is an incident of its own, whichever streams need it. A strategy is an incident from its first error
on, and critical from the fifth. A feed that answers without new candles, or with late ones, counts by the same rule: as
one incident, or as one for each series.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from signalpost.domain.events import IncidentBegan, IncidentEnded
from signalpost.domain.instant import iso
from signalpost.domain.reason import Reason
from signalpost.domain.reports import AlertSeverity
from signalpost.trading.feeds.port import Series
from signalpost.trading.schedule import CRITICAL_FROM
from signalpost.trading.watchdogs import QUIET, USUAL_LIMITS, FeedAnswer, WatchdogLimits, late_by, missing

FEED, STREAM, STRATEGY = "feed", "stream", "strategy"
"""Where a failure can be: in a feed, in one series of its candles, or in a strategy itself."""
SILENT_FEED, SILENT, LATE_FEED, LATE = "silent-feed", "silent", "late-feed", "late"
"""The incidents of watchdogs: a feed, or one series of its candles, has no new candles, or only late ones."""
CACHE = "cache"
"""The cache of states, which is also the name of its incident and its source."""
_OF_FEEDS = frozenset({FEED, SILENT_FEED, LATE_FEED})
_OF_SERIES = frozenset({STREAM, SILENT, LATE})
_ALERTED_AFTER = timedelta(minutes=1)
_REPORTED_AFTER = timedelta(seconds=10)
_MOST_NAMED = 3


_WATCHED = {
    **dict.fromkeys((SILENT_FEED, SILENT), ("no new candles from", "feed-silent")),
    **dict.fromkeys((LATE_FEED, LATE), ("late candles from", "feed-late")),
}
"""The start of the reason of each kind, and its code."""


_Key = tuple[str, str | Series]
"""The kind of an incident, and the name of its feed or strategy, or its series."""


class _Failure(NamedTuple):
    series: Series
    since: datetime
    at: datetime
    """When it was last noticed."""
    reason: str


class _Watched(NamedTuple):
    """The incidents of a watchdog."""

    of_feed: str
    of_series: str
    severity: AlertSeverity

    def keys(self, series: Series) -> tuple[_Key, _Key]:
        """The keys of the incidents that a series can be in."""
        return (self.of_feed, series.feed), (self.of_series, series)


_SILENCE = _Watched(SILENT_FEED, SILENT, AlertSeverity.HIGH)
_LATENESS = _Watched(LATE_FEED, LATE, AlertSeverity.MEDIUM)


class Incidents:
    """Takes each success and failure of the streams, and returns the incidents that begin or end with it.

    `opened` are those of an earlier process that are not over. `strategies` are the series of the strategies here, by
    their keys. `limits` are those of the watchdogs.
    """

    def __init__(
        self,
        opened: Iterable[IncidentBegan] = (),
        strategies: Mapping[str, Series] | None = None,
        limits: WatchdogLimits = USUAL_LIMITS,
    ) -> None:
        self._of_feeds: dict[str, _Failure] = {}
        self._of_strategies: dict[str, tuple[datetime, str]] = {}
        self._worked_at: dict[str, datetime] = {}
        self._open = {_key_of(each): each for each in opened}
        self._strategies = strategies or {}
        self._limits = limits
        self._answers: dict[str, FeedAnswer] = {}
        """The last one of each stream."""
        self._well_at: dict[tuple[str, str], datetime] = {}
        """When a feed was last found not silent, or not late, by kind and name."""
        self._found: dict[_Watched, dict[Series, set[str]]] = {
            each: {
                series: set()
                for began in self._open.values()
                if began.kind in (each.of_feed, each.of_series) and (series := _series_of(began)) is not None
            }
            for each in (_SILENCE, _LATENESS)
        }
        """The series that are silent, or late, each with the streams that found it; empty for an earlier process."""
        self._began: datetime | None = None
        """The time of the first answer."""

    def feed_failed(self, series: Series, stream: str, reason: str, now: datetime) -> Iterator[IncidentBegan]:
        """A feed gave a stream no usable answer when it needed the candles of a series."""
        since = self._of_feeds[stream].since if stream in self._of_feeds else now
        self._of_feeds[stream] = _Failure(series, since, now, reason)
        yield from self.waits(stream, now)

    def waits(self, stream: str, now: datetime) -> Iterator[IncidentBegan]:
        """A stream waits for its next attempt, which can take so long that its failure becomes an incident."""
        failure = self._of_feeds.get(stream)
        if failure is None or now - failure.since < _ALERTED_AFTER:
            return
        series, since, at, reason = failure
        worked_at = self._worked_at.get(series.feed, since)
        is_whole = worked_at <= since
        if not is_whole and at < worked_at and now - at <= _ALERTED_AFTER:
            return  # the feed has worked since the last attempt, and the next one comes soon
        if (FEED, series.feed) not in self._open:
            yield from self._begun(FEED if is_whole else STREAM, series, AlertSeverity.HIGH, reason, since)

    def strategy_failed(
        self, feed: str, stream: str, reason: str, failures: int, now: datetime
    ) -> Iterator[IncidentBegan]:
        """A strategy raised an error of its own, the `failures`th in a row."""
        since, _ = self._of_strategies.get(stream, (now, reason))
        self._of_strategies[stream] = since, reason
        severity = AlertSeverity.CRITICAL if failures >= CRITICAL_FROM else AlertSeverity.HIGH
        yield from self._opened(IncidentBegan(STRATEGY, stream, severity, feed, reason, since))

    def worked(self, series: Series, stream: str, now: datetime) -> Iterator[IncidentEnded]:
        """A stream was up to date with its feed."""
        self._worked_at[series.feed] = now
        self._of_feeds.pop(stream, None)
        self._of_strategies.pop(stream, None)
        keys: list[_Key] = [(FEED, series.feed), (STRATEGY, stream)]
        if all(failure.series != series for failure in self._of_feeds.values()):
            keys.append((STREAM, series))
        yield from self._ended(keys, now)

    def answered(self, answer: FeedAnswer) -> Iterator[IncidentBegan | IncidentEnded]:
        """A feed answered a stream: look for candles that are missing, or late."""
        self._began = self._began or answer.at
        before = self._answers.get(answer.stream)
        self._answers[answer.stream] = answer
        was_silent = not self._open.keys().isdisjoint(_SILENCE.keys(answer.series))
        yield from self._silence(answer)
        if before is not None and answer.oldest is not None and not was_silent:
            # If the feed had no candle at all before, the older ones are its history.
            opened = answer.oldest if before.watermark is not None else answer.watermark or answer.oldest
            if not self._is_silent(before):  # another stream may have ended the feed's incident
                yield from self._lateness(answer, opened, before.at)

    def _is_silent(self, answer: FeedAnswer) -> bool:
        """True if so many candles were missing from an answer that the feed counts as silent, not as late."""
        most, newest = self._limits.silent_candles, answer.watermark
        found = missing(answer, newest, most) if most and newest is not None else None
        return found is not None and found.is_silence

    def _silence(self, answer: FeedAnswer) -> Iterator[IncidentBegan | IncidentEnded]:
        series = answer.series
        if not self._limits.silent_candles:
            yield from self._ended(_SILENCE.keys(series), answer.at, is_unused=True)
            return
        began = self._began or answer.at
        newest = max(filter(None, (answer.watermark, answer.forming)), default=series.timeframe.candle_open(began))
        found = missing(answer, newest, self._limits.silent_candles)
        if found is None:
            yield from self._well(_SILENCE, answer)
        elif found.is_silence and answer.at - began >= QUIET:
            none = "there is no candle, although some are due"
            old = f"the newest candle opened at {_time(newest)}, although newer ones are due"
            reason = f"{series.pair} {series.timeframe}: {none if answer.watermark is None else old}"
            _forget(self._found[_LATENESS], series, answer.stream)  # it is silent now, not late
            yield from self._watched(_SILENCE, answer, found.since, reason)

    def _lateness(
        self, answer: FeedAnswer, opened: datetime, before: datetime
    ) -> Iterator[IncidentBegan | IncidentEnded]:
        """Check whether a new candle was late: it was not in the answer at `before`."""
        late, series = late_by(answer, opened, before), answer.series
        if not self._limits.late_after:
            yield from self._ended(_LATENESS.keys(series), answer.at, is_unused=True)
        elif late <= self._limits.late_after:
            yield from self._well(_LATENESS, answer)
        else:
            after = f"{late.total_seconds():.0f} s after its close"
            reason = f"{series.pair} {series.timeframe}: the candle of {_time(opened)} arrived more than {after}"
            yield from self._watched(_LATENESS, answer, before - late, reason)

    def _well(self, watched: _Watched, answer: FeedAnswer) -> Iterator[IncidentEnded]:
        """A stream is up to date, or its new candles were on time."""
        of_feed, of_series = watched.keys(answer.series)
        self._well_at[watched.of_feed, answer.series.feed] = answer.at
        found = self._found[watched]
        _forget(found, answer.series, answer.stream)
        keys = [] if answer.series in found else [of_series]
        # Only a new candle shows that a feed is not silent. A feed is late as long as any of its candles are.
        is_over = all(each.feed != answer.series.feed for each in found) if watched is _LATENESS else answer.oldest
        yield from self._ended([of_feed, *keys] if is_over else keys, answer.at)

    def _watched(self, watched: _Watched, answer: FeedAnswer, since: datetime, reason: str) -> Iterator[IncidentBegan]:
        """A watchdog found a problem: of the whole feed, unless another stream has worked since."""
        series = answer.series
        self._found[watched].setdefault(series, set()).add(answer.stream)
        well_at = self._well_at.get((watched.of_feed, series.feed))
        if (watched.of_feed, series.feed) not in self._open:
            kind = watched.of_feed if well_at is None or well_at <= since else watched.of_series
            yield from self._begun(kind, series, watched.severity, reason, since)

    def cached(self, behind: int | None, trouble: str | None, now: datetime) -> Iterator[IncidentBegan | IncidentEnded]:
        """The cache saved no states at the last `behind` closes, because of `trouble`; None before the first write."""
        limit = self._limits.stale_cache_rounds
        if not limit or behind == 0:
            yield from self._ended(((CACHE, CACHE),), now, is_unused=not limit)
        elif behind is not None and behind >= limit:
            reason = f"states were not saved at the last {behind} closes of candles: {trouble}"
            yield from self._opened(IncidentBegan(CACHE, CACHE, AlertSeverity.MEDIUM, CACHE, reason, now))

    def without_cache(self, now: datetime) -> Iterator[IncidentEnded]:
        """No cache is configured any more."""
        yield from self._ended(((CACHE, CACHE),), now, is_unused=True)

    def left(self, series: Series, stream: str, now: datetime) -> Iterator[IncidentEnded]:
        """A stream needs no more candles. The incident of its feed lasts as long as other streams fail."""
        self._of_feeds.pop(stream, None)
        self._answers.pop(stream, None)
        for found in self._found.values():
            _forget(found, series, stream)
        failing = {failure.series for failure in self._of_feeds.values()}
        used = {*failing, *(each.series for each in self._answers.values()), *self._strategies.values()}
        keys: list[_Key] = []
        if series not in used:
            keys += [(kind, series) for kind in (STREAM, SILENT, LATE)]
        if all(each.feed != series.feed for each in failing):
            keys.append((FEED, series.feed))
        if all(each.feed != series.feed for each in used):
            keys += [(SILENT_FEED, series.feed), (LATE_FEED, series.feed)]
        yield from self._ended(keys, now, is_unused=True)

    def only(self, followed: Iterable[Series], now: datetime) -> Iterator[IncidentEnded]:
        """End the incidents of all feeds, series and strategies except the strategies here and these series."""
        series = {*self._strategies.values(), *followed}
        feeds = {each.feed for each in series}
        used: dict[str, Collection[str | Series]] = dict.fromkeys(_OF_FEEDS, feeds)
        used |= dict.fromkeys(_OF_SERIES, series) | {STRATEGY: self._strategies.keys(), CACHE: (CACHE,)}
        unused = [(kind, name) for kind, name in self._open if name not in used.get(kind, ())]
        yield from self._ended(unused, now, is_unused=True)
        for found in self._found.values():
            for each in found.keys() - series:
                del found[each]

    def reasons(self, now: datetime) -> Iterator[Reason]:
        """The failures at `now`: one for each feed, and one for each strategy. Any thread may call it."""
        by_feed: dict[str, dict[str, _Failure]] = {}
        for stream, failure in tuple(self._of_feeds.items()):
            if now - failure.since >= _REPORTED_AFTER:
                by_feed.setdefault(failure.series.feed, {})[stream] = failure
        for feed, failures in by_feed.items():
            first = min(failures.values(), key=lambda each: each.since)
            text = f"feed {feed}: no candles for {named(failures)} since {_time(first.since)}: {first.reason}"
            yield Reason(text, "feed-failed")
        for stream, (since, reason) in tuple(self._of_strategies.items()):
            text = f"strategy {stream} has failed since {_time(since)}: {reason}"
            yield Reason(text, "strategy-failed")
        for began in tuple(self._open.values()):
            if began.kind in _WATCHED:
                text, code = _WATCHED[began.kind]
                yield Reason(f"{text} {began.name}: {began.reason}", code)

    def _ended(self, keys: Iterable[_Key], now: datetime, *, is_unused: bool = False) -> Iterator[IncidentEnded]:
        """End the incidents with these keys that are still open."""
        for key in keys:
            if (began := self._open.pop(key, None)) is not None:
                yield IncidentEnded(began, now, is_unused)

    def _begun(
        self, kind: str, series: Series, severity: AlertSeverity, reason: str, since: datetime
    ) -> Iterator[IncidentBegan]:
        """Begin the incident of a series, or of its whole feed, unless it is open."""
        name, candles = series.feed if kind in _OF_FEEDS else str(series), (series.pair, series.timeframe)
        yield from self._opened(IncidentBegan(kind, name, severity, series.feed, reason, since, candles))

    def _opened(self, incident: IncidentBegan) -> Iterator[IncidentBegan]:
        key = _key_of(incident)
        known = self._open.get(key)
        if known is None or (known.severity is AlertSeverity.HIGH and incident.severity is AlertSeverity.CRITICAL):
            self._open[key] = incident
            yield incident


def _key_of(incident: IncidentBegan) -> _Key:
    series = _series_of(incident) if incident.kind in _OF_SERIES else None
    return incident.kind, series or incident.name


def _series_of(incident: IncidentBegan) -> Series | None:
    return None if incident.candles is None else Series(incident.feed, *incident.candles)


def _forget(found: dict[Series, set[str]], series: Series, stream: str) -> None:
    """A stream no longer finds a series silent, or late."""
    streams = found.get(series, set())
    streams.discard(stream)
    if not streams:
        found.pop(series, None)


def named(names: Iterable[str]) -> str:
    """The first of `names`, and how many more there are."""
    every = sorted(names)
    rest = len(every) - _MOST_NAMED
    return ", ".join(every[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _time(at: datetime) -> str:
    return iso(at.replace(microsecond=0))

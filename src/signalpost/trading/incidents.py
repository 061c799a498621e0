"""Which feeds and strategies fail, since when, and when a person should know. Pure.

A feed that fails for a minute is one incident, however many streams it has. If its other streams work, each stream that
fails is an incident of its own. A strategy is an incident from its first error on, and critical from the fifth. A feed
that answers without new candles, or late, is an incident by the same rule: of the feed, or of a stream.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from signalpost.domain.events import IncidentBegan, IncidentEnded
from signalpost.domain.instant import iso
from signalpost.domain.instrument import Instrument
from signalpost.domain.reason import Reason
from signalpost.domain.reports import AlertSeverity
from signalpost.domain.timeframe import Timeframe
from signalpost.trading.schedule import CRITICAL_FROM
from signalpost.trading.watchdogs import QUIET, USUAL_LIMITS, FeedAnswer, WatchdogLimits, late_by, missing

FEED, STREAM, STRATEGY = "feed", "stream", "strategy"
"""Where a failure can be: in a feed, in one of its streams, or in a strategy itself."""
SILENT_FEED, SILENT, LATE_FEED, LATE = "silent-feed", "silent", "late-feed", "late"
"""A feed, or one of its streams, without new candles; and with late ones."""
CACHE = "cache"
"""The cache of states, which is also the name of its incident and its source."""
_OF_FEEDS = frozenset({FEED, SILENT_FEED, LATE_FEED})
_ALERTED_AFTER = timedelta(minutes=1)
_REPORTED_AFTER = timedelta(seconds=10)
_MOST_NAMED = 3


_WATCHED = {
    **dict.fromkeys((SILENT_FEED, SILENT), ("no new candles from", "feed-silent")),
    **dict.fromkeys((LATE_FEED, LATE), ("late candles from", "feed-late")),
}
"""The start of the reason of each kind, and its code."""


class _Failure(NamedTuple):
    feed: str
    since: datetime
    reason: str
    candles: tuple[Instrument, Timeframe] | None = None


class _Watched(NamedTuple):
    """The incidents of a watchdog."""

    of_feed: str
    of_stream: str
    severity: AlertSeverity


_SILENCE = _Watched(SILENT_FEED, SILENT, AlertSeverity.HIGH)
_LATENESS = _Watched(LATE_FEED, LATE, AlertSeverity.MEDIUM)


class Incidents:
    """Takes each success and failure of the streams, and returns the incidents that begin or end with it.

    `opened` are those of an earlier process that are not over. `strategies` are the feed and key of each strategy here.
    `limits` are those of the watchdogs.
    """

    def __init__(
        self,
        opened: Iterable[IncidentBegan] = (),
        strategies: Iterable[tuple[str, str]] = (),
        limits: WatchdogLimits = USUAL_LIMITS,
    ) -> None:
        self._of_feeds: dict[str, _Failure] = {}
        self._of_strategies: dict[str, _Failure] = {}
        self._worked_at: dict[str, datetime] = {}
        self._open = {(each.kind, each.name): each for each in opened}
        self._strategies = frozenset(strategies)
        self._limits = limits
        self._answers: dict[str, FeedAnswer] = {}
        """The last one of each stream."""
        self._well_at: dict[tuple[str, str], datetime] = {}
        """When a feed was last found not silent, or not late, by kind and name."""
        self._began: datetime | None = None
        """The time of the first answer."""

    def feed_failed(
        self, feed: str, stream: str, reason: str, now: datetime, candles: tuple[Instrument, Timeframe] | None = None
    ) -> Iterator[IncidentBegan]:
        """A feed gave a stream no usable answer when it needed these candles."""
        since = self._of_feeds[stream].since if stream in self._of_feeds else now
        self._of_feeds[stream] = _Failure(feed, since, reason, candles)
        yield from self.waits(stream, now)

    def waits(self, stream: str, now: datetime) -> Iterator[IncidentBegan]:
        """A stream waits for its next attempt, which can take so long that its failure becomes an incident."""
        failure = self._of_feeds.get(stream)
        if failure is None or now - failure.since < _ALERTED_AFTER:
            return
        feed, since, reason, candles = failure
        is_whole = feed not in self._worked_at or self._worked_at[feed] <= since
        kind, name = (FEED, feed) if is_whole else (STREAM, stream)
        if (FEED, feed) not in self._open:
            yield from self._begun(IncidentBegan(kind, name, AlertSeverity.HIGH, feed, reason, since, candles))

    def strategy_failed(
        self, feed: str, stream: str, reason: str, failures: int, now: datetime
    ) -> Iterator[IncidentBegan]:
        """A strategy raised an error of its own, the `failures`th in a row."""
        since = self._of_strategies[stream].since if stream in self._of_strategies else now
        self._of_strategies[stream] = _Failure(feed, since, reason)
        severity = AlertSeverity.CRITICAL if failures >= CRITICAL_FROM else AlertSeverity.HIGH
        yield from self._begun(IncidentBegan(STRATEGY, stream, severity, feed, reason, since))

    def worked(self, feed: str, stream: str, now: datetime) -> Iterator[IncidentEnded]:
        """A stream was up to date with its feed."""
        self._worked_at[feed] = now
        self._of_feeds.pop(stream, None)
        self._of_strategies.pop(stream, None)
        yield from self._ended(((FEED, feed), (STREAM, stream), (STRATEGY, stream)), now)

    def answered(self, answer: FeedAnswer) -> Iterator[IncidentBegan | IncidentEnded]:
        """A feed answered a stream: look for candles that are missing, or late."""
        self._began = self._began or answer.at
        before = self._answers.get(answer.stream)
        self._answers[answer.stream] = answer
        was_silent = not self._open.keys().isdisjoint(((SILENT_FEED, answer.feed), (SILENT, answer.stream)))
        yield from self._silence(answer)
        if before is not None and answer.oldest is not None and not was_silent:
            # Of a feed that had no candle at all, the older ones are its history.
            opened = answer.oldest if before.watermark is not None else answer.watermark or answer.oldest
            if not self._is_silent(before):  # the feed's incident may have ended by another stream
                yield from self._lateness(answer, opened, before.at)

    def _is_silent(self, answer: FeedAnswer) -> bool:
        """True if so many candles were missing from an answer that it is the silence that counts."""
        most, newest = self._limits.silent_candles, answer.watermark
        found = missing(answer, newest, most) if most and newest is not None else None
        return found is not None and found.is_silence

    def _silence(self, answer: FeedAnswer) -> Iterator[IncidentBegan | IncidentEnded]:
        if not self._limits.silent_candles:
            yield from self._ended(((SILENT_FEED, answer.feed), (SILENT, answer.stream)), answer.at, is_unused=True)
            return
        began = self._began or answer.at
        newest = max(filter(None, (answer.watermark, answer.forming)), default=answer.timeframe.candle_open(began))
        found = missing(answer, newest, self._limits.silent_candles)
        if found is None:
            yield from self._well(_SILENCE, answer)
        elif found.is_silence and answer.at - began >= QUIET:
            none = "there is no candle, although some are due"
            old = f"the newest candle opened at {_time(newest)}, although newer ones are due"
            reason = f"{answer.pair} {answer.timeframe}: {none if answer.watermark is None else old}"
            yield from self._watched(_SILENCE, answer, found.since, reason)

    def _lateness(
        self, answer: FeedAnswer, opened: datetime, before: datetime
    ) -> Iterator[IncidentBegan | IncidentEnded]:
        """Check whether a new candle was late: it was not in the answer at `before`."""
        late = late_by(answer, opened, before)
        if not self._limits.late_after:
            yield from self._ended(((LATE_FEED, answer.feed), (LATE, answer.stream)), answer.at, is_unused=True)
        elif late <= self._limits.late_after:
            yield from self._well(_LATENESS, answer)
        else:
            after = f"{late.total_seconds():.0f} s after its close"
            reason = f"{answer.pair} {answer.timeframe}: the candle of {_time(opened)} arrived more than {after}"
            yield from self._watched(_LATENESS, answer, before - late, reason)

    def _well(self, watched: _Watched, answer: FeedAnswer) -> Iterator[IncidentEnded]:
        """A stream is up to date, or its new candles were on time. Only a new candle shows it for the whole feed."""
        self._well_at[watched.of_feed, answer.feed] = answer.at
        of_feed = () if answer.oldest is None else ((watched.of_feed, answer.feed),)
        yield from self._ended((*of_feed, (watched.of_stream, answer.stream)), answer.at)

    def _watched(self, watched: _Watched, answer: FeedAnswer, since: datetime, reason: str) -> Iterator[IncidentBegan]:
        """A watchdog found a problem: of the whole feed, unless another stream has been well since."""
        well_at = self._well_at.get((watched.of_feed, answer.feed))
        is_whole = well_at is None or well_at <= since
        kind, name = (watched.of_feed, answer.feed) if is_whole else (watched.of_stream, answer.stream)
        candles = answer.pair, answer.timeframe
        if (watched.of_feed, answer.feed) not in self._open:
            yield from self._begun(IncidentBegan(kind, name, watched.severity, answer.feed, reason, since, candles))

    def cached(self, behind: int | None, trouble: str | None, now: datetime) -> Iterator[IncidentBegan | IncidentEnded]:
        """The cache has not saved the last `behind` rounds, because of `trouble`; None before the first round."""
        limit = self._limits.stale_cache_rounds
        if not limit or behind == 0:
            yield from self._ended(((CACHE, CACHE),), now, is_unused=not limit)
        elif behind is not None and behind >= limit:
            reason = f"the states of the last {behind} rounds were not saved: {trouble}"
            yield from self._begun(IncidentBegan(CACHE, CACHE, AlertSeverity.MEDIUM, CACHE, reason, now))

    def without_cache(self, now: datetime) -> Iterator[IncidentEnded]:
        """No cache is configured any more."""
        yield from self._ended(((CACHE, CACHE),), now, is_unused=True)

    def left(self, feed: str, stream: str, now: datetime) -> Iterator[IncidentEnded]:
        """A stream needs no more candles. The incident of its feed lasts as long as other streams fail."""
        self._of_feeds.pop(stream, None)
        is_last = all(failure.feed != feed for failure in self._of_feeds.values())
        self._answers.pop(stream, None)
        keys = [(STREAM, stream), (SILENT, stream), (LATE, stream), *([(FEED, feed)] if is_last else [])]
        if all(each.feed != feed for each in self._answers.values()):
            keys += [(SILENT_FEED, feed), (LATE_FEED, feed)]
        yield from self._ended(keys, now, is_unused=True)

    def only(self, followed: Iterable[tuple[str, str]], now: datetime) -> Iterator[IncidentEnded]:
        """End the incidents of all feeds and streams except the strategies' and these, each a feed and a name."""
        streams = {*self._strategies, *followed}
        for kind, name in tuple(self._open):
            is_used = any(name == (feed if kind in _OF_FEEDS else stream) for feed, stream in streams)
            if kind != CACHE and not is_used:
                yield from self._ended(((kind, name),), now, is_unused=True)

    def reasons(self, now: datetime) -> Iterator[Reason]:
        """The failures at `now`: one for each feed, and one for each strategy. Any thread may call it."""
        by_feed: dict[str, dict[str, _Failure]] = {}
        for stream, failure in tuple(self._of_feeds.items()):
            if now - failure.since >= _REPORTED_AFTER:
                by_feed.setdefault(failure.feed, {})[stream] = failure
        for feed, failures in by_feed.items():
            first = min(failures.values(), key=lambda each: each.since)
            text = f"feed {feed}: no candles for {named(failures)} since {_time(first.since)}: {first.reason}"
            yield Reason(text, "feed-failed")
        for stream, failure in tuple(self._of_strategies.items()):
            text = f"strategy {stream} has failed since {_time(failure.since)}: {failure.reason}"
            yield Reason(text, "strategy-failed")
        for (kind, name), began in tuple(self._open.items()):
            if kind in _WATCHED:
                text, code = _WATCHED[kind]
                yield Reason(f"{text} {name}: {began.reason}", code)

    def _ended(
        self, keys: Iterable[tuple[str, str]], now: datetime, *, is_unused: bool = False
    ) -> Iterator[IncidentEnded]:
        """End the incidents with these kinds and names that are still open."""
        for key in keys:
            if (began := self._open.pop(key, None)) is not None:
                yield IncidentEnded(began, now, is_unused)

    def _begun(self, incident: IncidentBegan) -> Iterator[IncidentBegan]:
        key = (incident.kind, incident.name)
        known = self._open.get(key)
        if known is None or (known.severity is AlertSeverity.HIGH and incident.severity is AlertSeverity.CRITICAL):
            self._open[key] = incident
            yield incident


def named(names: Iterable[str]) -> str:
    """The first of `names`, and how many more there are."""
    every = sorted(names)
    rest = len(every) - _MOST_NAMED
    return ", ".join(every[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _time(at: datetime) -> str:
    return iso(at.replace(microsecond=0))

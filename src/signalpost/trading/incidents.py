"""Which feeds and strategies fail, since when, and when a person should know. Pure.

A feed that fails for a minute is one incident, however many streams it has. If its other streams work, each stream that
fails is an incident of its own. A strategy is an incident from its first error on, and critical from the fifth.
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

FEED, STREAM, STRATEGY = "feed", "stream", "strategy"
"""Where a failure can be: in a feed, in one of its streams, or in a strategy itself."""
_ALERTED_AFTER = timedelta(minutes=1)
_REPORTED_AFTER = timedelta(seconds=10)
_MOST_NAMED = 3


class _Failure(NamedTuple):
    feed: str
    since: datetime
    reason: str
    candles: tuple[Instrument, Timeframe] | None = None


class Incidents:
    """Takes each success and failure of the streams, and returns the incidents that begin or end with it.

    `opened` are those of an earlier process that are not over. `strategies` are the feed and key of each strategy here.
    """

    def __init__(self, opened: Iterable[IncidentBegan] = (), strategies: Iterable[tuple[str, str]] = ()) -> None:
        self._of_feeds: dict[str, _Failure] = {}
        self._of_strategies: dict[str, _Failure] = {}
        self._worked_at: dict[str, datetime] = {}
        self._open = {(each.kind, each.name): each for each in opened}
        self._strategies = frozenset(strategies)

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
        for key in ((FEED, feed), (STREAM, stream), (STRATEGY, stream)):
            if (began := self._open.pop(key, None)) is not None:
                yield IncidentEnded(began, now)

    def left(self, feed: str, stream: str, now: datetime) -> Iterator[IncidentEnded]:
        """A stream needs no more candles. The incident of its feed lasts as long as other streams fail."""
        self._of_feeds.pop(stream, None)
        is_last = all(failure.feed != feed for failure in self._of_feeds.values())
        for key in ((STREAM, stream), *([(FEED, feed)] if is_last else [])):
            if (began := self._open.pop(key, None)) is not None:
                yield IncidentEnded(began, now, is_unused=True)

    def only(self, followed: Iterable[tuple[str, str]], now: datetime) -> Iterator[IncidentEnded]:
        """Only the strategies and these streams, as feed and name, need candles, so the incidents of others end."""
        streams = {*self._strategies, *followed}
        for (kind, name), began in tuple(self._open.items()):
            if not any(name == (feed if kind == FEED else stream) for feed, stream in streams):
                del self._open[kind, name]
                yield IncidentEnded(began, now, is_unused=True)

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

"""Alerts that the service itself sends to operators, such as about a webhook that is gone, or a feed that fails.

Each incident causes one alert. If a webhook is gone, each start reports it again, but the alert's id contains the time
of the discovery. So a crash loses no alert, and a restart adds none. A lost card is saved with the verdict that found
it, and each start reports it again until its alert is accepted. An incident is saved once its alert is accepted, so
that its end is reported even after a restart. No alert is sent to the destination that it is about.
If there is no other destination for operators, only the log has the message.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from signalpost import clock
from signalpost.delivery.facts import card_gone_fact, incident_fact
from signalpost.delivery.outbox.commands import SaveFacts
from signalpost.domain.events import (
    CardGone,
    ChangeRefused,
    DestinationGone,
    Event,
    HostBanned,
    IncidentBegan,
    IncidentEnded,
)
from signalpost.domain.instant import iso
from signalpost.domain.notification import NEW
from signalpost.domain.reports import Alert
from signalpost.domain.ticket import Outcome, Ticket
from signalpost.domain.validity import URGENT_ALERT
from signalpost.errors import CommandFailed, StoreClosed, StoreFailed


class Accept(Protocol):
    """`Intake.accept`, as this file uses it."""

    def __call__(self, payload: Alert, *, about: str | None, event: str) -> Coroutine[Any, Any, Ticket]:
        """Accept an alert that is `about` a destination, or about none."""
        ...


class _Report(NamedTuple):
    """An alert `about` a destination, or about none, and the fact that is saved once it is accepted."""

    alert: Alert
    about: str | None = None
    then: SaveFacts | None = None
    event: str = NEW


class OperatorAlerts:
    """A listener that queues alerts. `variable_of` names the setting that holds a destination's webhook.

    `save` saves a fact: that a lost card or an incident was reported.
    """

    def __init__(
        self, accept: Accept, variable_of: Callable[[str], str], save: Callable[[SaveFacts], Coroutine[Any, Any, None]]
    ) -> None:
        self._accept = accept
        self._save = save
        self._variable_of = variable_of
        self._tasks: set[asyncio.Task[None]] = set()
        self._report_of: dict[type, Callable[[Any], _Report | None]] = {
            DestinationGone: self._gone_destination,
            HostBanned: _ban,
            CardGone: _gone_card,
            ChangeRefused: _refused_change,
            IncidentBegan: _begun,
            IncidentEnded: _ended,
        }
        self.kinds = self._report_of.keys()

    def __call__(self, event: Event) -> None:
        """Queue an alert if an operator has to act."""
        if (report := self._report_of[type(event)](event)) is None:
            return
        task = asyncio.get_running_loop().create_task(self._send(report), name="signalpost operator alert")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel the alerts that are not queued yet."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self, report: _Report) -> None:
        with suppress(StoreClosed, StoreFailed, CommandFailed):  # then the next start reports it again
            ticket = await self._accept(report.alert, about=report.about, event=report.event)
            if report.then is not None and ticket.outcome is not Outcome.HELD:
                await self._save(report.then)

    def _gone_destination(self, gone: DestinationGone) -> _Report:
        destination, reason, at = gone
        alert = Alert(
            alert_type="destination_disabled",
            severity="critical",
            title=f"{destination} is disabled: its webhook is gone for good",
            message=f"Discord answered: {reason}. Nothing is sent there any more. Queued messages wait for "
            f"a new webhook: set {self._variable_of(destination)} and restart.",
            timestamp=at,
            alert_id=f"disabled {destination} {iso(at or clock.now())}",
        )
        return _Report(alert, about=destination)


def _ban(banned: HostBanned) -> _Report | None:
    if not banned.is_news:
        return None
    until = iso(banned.until.replace(microsecond=0))
    alert = Alert(
        alert_type="address_banned",
        severity="critical",
        title=f"{banned.host} has banned the IP address of this machine",
        message=f"Nothing was sent until {until}, and nothing is lost. The answer was: {banned.reason}. Something at "
        "this address sends too many requests, or is mistaken for a bot.",
        alert_id=f"banned {banned.host} {until}",
    )
    return _Report(alert, about=f"(host {banned.host})")  # not a destination, so it goes to any for operators


def _gone_card(gone: CardGone) -> _Report | None:
    if not gone.is_for_operators:
        return None
    alert = _deleted_twice(gone) if gone.is_stopped else _moved(gone)
    return _Report(alert, about=gone.destination, then=card_gone_fact(gone, is_reported=True))


def _deleted_twice(gone: CardGone) -> Alert:
    return Alert(
        alert_type="card_deleted",
        severity="medium",
        title=f"{gone.destination}: card deleted twice",
        message=f"The message of signal {gone.signal_id} was deleted, replaced and deleted again. It is not posted "
        "again, and its later changes are not shown there.",
        alert_id=f"deleted {gone.destination} {gone.signal_id}",
    )


def _moved(gone: CardGone) -> Alert:
    return Alert(
        alert_type="webhook_moved",
        severity="medium",
        title=f"{gone.destination}: webhook moved",
        message="The webhook now posts to another channel, and cannot edit its earlier messages. When a signal "
        "changes, it is posted again in the new channel. The others stay as they are in the old one.",
        alert_id=f"moved {gone.destination} {gone.at:%Y-%m-%d} from {gone.channel}",
    )


def _refused_change(refused: ChangeRefused) -> _Report:
    alert = Alert(
        alert_type="change_refused",
        severity="high",
        title="A change of a signal was refused after it was held",
        message=f"The store was unavailable when {refused.signal} was changed. Now it works again, and the "
        f"change was refused: {refused.reason}",
        alert_id=f"refused {refused.signal} {iso(clock.now())}",
    )
    return _Report(alert, about="(signal book)")


def _begun(incident: IncidentBegan) -> _Report:
    alert = alert_of(incident)
    until = clock.now() + (alert.valid_until - alert.timestamp)  # a silence may have begun days before it is certain
    return _Report(alert.but(valid_until=until), then=incident_fact(incident))


def _ended(ended: IncidentEnded) -> _Report:
    incident, at, is_unused = ended
    alert = alert_of(incident, is_unused=is_unused)
    over = alert.but(status="resolved", resolved_at=at, valid_until=at + URGENT_ALERT)
    return _Report(over, then=incident_fact(incident, is_over=True), event="resolved")


class _Words(NamedTuple):
    """The words of an alert about a kind of incident; `{name}` is that of the feed or stream."""

    title: str
    effect: str
    then: str
    over: str
    do: str
    alert_type: str = "external_api_downtime"
    unused: str = "Nothing needs candles from {feed} any more"


_RETRIES = "signalpost retries, and skips no candle."
_TEST = "Run signalpost feeds test {feed}"
_SILENT = _Words(
    "No new candles from {name}",
    "The feed answers, but has no new candles.",
    "Without candles there are no signals, and trades are not followed. signalpost keeps fetching.",
    "New candles from {name} again",
    f"Check the source of the candles. {_TEST}",
)
_LATE = _Words(
    "Late candles from {name}",
    "Their signals are late too.",
    "signalpost skips no candle.",
    "Candles from {name} are on time again",
    "Check the source of the candles and the clock of this machine",
    "performance_degradation",
)
_WORDS = {
    "feed": _Words("No candles from {name}", "Its requests fail:", _RETRIES, "{name} works again", _TEST),
    "stream": _Words("No candles for {name}", "Its requests fail:", _RETRIES, "{name} works again", _TEST),
    "strategy": _Words(
        "Strategy {name} fails",
        "It makes no signals:",
        _RETRIES,
        "{name} works again",
        "Read the log, and correct the strategy",
        "signal_processing_failure",
    ),
    "silent-feed": _SILENT,
    "silent": _SILENT._replace(title="No new candles for {name}", over="New candles for {name} again"),
    "late-feed": _LATE,
    "late": _LATE._replace(title="Late candles for {name}", over="Candles for {name} are on time again"),
    "cache": _Words(
        "The cache of strategies is not saving",
        "Strategies run without it:",
        "Signals are not affected. signalpost retries.",
        "The cache of strategies works again",
        "Check the server in REDIS_URL",
        "performance_degradation",
        "The cache of strategies is not watched any more",
    ),
}


def alert_of(incident: IncidentBegan, *, is_unused: bool = False) -> Alert:
    """The alert of a feed, a strategy or the cache that fails, until it works again or nothing needs it any more."""
    words = _WORDS.get(incident.kind, _WORDS["feed"])  # a newer version may have saved another kind
    over, do = words.unused if is_unused else words.over, words.do.format(feed=incident.feed)
    if incident.candles is not None and words.do.endswith(_TEST):
        do += f" --pair {incident.candles[0]} --timeframe {incident.candles[1]}"
    return Alert(
        alert_type=words.alert_type,
        severity=incident.severity,
        title=words.title.format(name=incident.name),
        message=f"{words.effect} {incident.reason.removesuffix('.')}. {words.then}",
        timestamp=incident.since,
        alert_id=f"{incident.kind} {incident.name} {incident.severity} {iso(incident.since)}",
        source=incident.feed,
        context={"do": do, "resolved": over.format(name=incident.name, feed=incident.feed)},
    )

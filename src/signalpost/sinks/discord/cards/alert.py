"""The cards of alerts: what happened, since when, what it means, and one step to take.

The first line of an alert's message, or its first sentence, is what happened. The fact `do` of its context is the step
to take, and `resolved` the headline when it is over.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from signalpost.domain.identity import short_id
from signalpost.domain.reports import Alert, AlertSeverity, AlertStatus
from signalpost.sinks.discord.cards.body import edit, embed, footer, mention, post
from signalpost.sinks.discord.cards.look import Event, Look, Sending
from signalpost.sinks.discord.cards.view import MessageLink, View
from signalpost.sinks.discord.cards.wording import (
    SMALL_LINE,
    context_texts,
    duration_text,
    fact_text,
    first_sentence,
    prefixed,
    since_text,
    small_facts,
    tag,
    whole_title,
)
from signalpost.sinks.discord.escape import escaped

_MESSAGE = 2000
_DO, _RESOLVED = "do", "resolved"
_URGENT = frozenset({AlertSeverity.CRITICAL, AlertSeverity.HIGH})
_ACRONYMS = frozenset(
    {"api", "cpu", "db", "dns", "http", "https", "io", "ip", "ram", "sql", "ssl", "tls", "url", "vps"}
)


def alert_card(alert: Alert, look: Look, view: View, now: datetime) -> dict[str, Any]:
    """The body of the message that shows `alert` at `now`: new, escalated, or an edit to a resolved one."""
    title = escaped(alert.title, _MESSAGE)
    headline = prefixed(_word(alert), title, view)
    embeds = [_embed(alert, look, view, [*whole_title(title, headline), *_lines(alert, view, now)])]
    if view.is_edit:
        return edit(headline, embeds)
    is_critical = alert.severity is AlertSeverity.CRITICAL or alert.escalation_level > 0
    is_live = not (_is_resolved(alert) or view.is_replay)
    role = look.role(view.tier, Event.CRITICAL) if is_critical and is_live else None
    is_silent = view.is_replay or not (is_critical or alert.severity in _URGENT)
    return post(look, [headline, mention(role)], embeds, role=role, is_silent=is_silent)


def resolved_companion(alert: Alert, look: Look, view: View, card: MessageLink | None = None) -> dict[str, Any] | None:
    """The body of the message that says that `alert` is resolved; None if the operator turned it off."""
    sending = look.sending(Event.RESOLVED)
    if sending is Sending.OFF:
        return None
    title = str(alert.context.get(_RESOLVED) or alert.title)
    name = short_id(alert.alert_id, view.run)
    mark = f"MAY REPEAT: alert {name}" if view.may_repeat else ""
    link = "" if card is None else f"[Alert {name}]({card.url})"
    is_silent = sending is Sending.SILENT or view.is_replay
    return post(look, [prefixed("RESOLVED", escaped(title, _MESSAGE), view), mark, link], is_silent=is_silent)


def _is_resolved(alert: Alert) -> bool:
    return alert.status is AlertStatus.RESOLVED


def _word(alert: Alert) -> str:
    if _is_resolved(alert):
        return "RESOLVED"
    return "ESCALATED" if alert.escalation_level else alert.severity.name


def _embed(alert: Alert, look: Look, view: View, lines: list[str]) -> dict[str, Any]:
    name = footer(look, f"alert {short_id(alert.alert_id, view.run)}", marks=view.marks)
    return embed(lines, _colour(alert, look), alert.timestamp, name)


def _colour(alert: Alert, look: Look) -> int:
    if _is_resolved(alert):
        return look.colours.green
    if alert.escalation_level or alert.severity is AlertSeverity.CRITICAL:
        return look.colours.red
    return look.colours.orange if alert.severity is AlertSeverity.HIGH else look.colours.grey


def _lines(alert: Alert, view: View, now: datetime) -> list[str]:
    what, rest = first_sentence(escaped(alert.message, _MESSAGE) if alert.message.strip() else "")
    lines = [_first(alert, what, rest, now)]
    if not _is_resolved(alert) and (step := alert.context.get(_DO)):
        lines.append(f"**Do:** {escaped(str(step), _MESSAGE)}")
    return [line for line in (*lines, *small_facts(_facts(alert, view))) if line]


def _first(alert: Alert, what: str, rest: str, now: datetime) -> str:
    bold = f"**{what}**" if what else ""
    if _is_resolved(alert):
        return _joined(f"{bold or '**It is over**'} {_lasted(alert)}.", rest)
    since = since_text(alert.timestamp)
    if alert.escalation_level:
        waited = duration_text(now - alert.timestamp)
        return f"**Nobody has acknowledged this for {waited}.** {what or 'It has lasted'} {since}."
    if alert.severity in _URGENT:
        return _joined(f"{bold} {since}." if bold else f"S{since[1:]}.", rest)
    return _joined(bold, rest)


def _lasted(alert: Alert) -> str:
    if alert.resolved_at is None:
        return f"after a problem {since_text(alert.timestamp)}"
    lasted = duration_text(alert.resolved_at - alert.timestamp)
    return f"after {lasted}, from {tag(alert.timestamp, 't')} to {tag(alert.resolved_at, 't')}"


def _joined(first: str, rest: str) -> str:
    return f"{first} {rest}" if first and rest else first or rest


def _facts(alert: Alert, view: View) -> Iterator[str]:
    source = escaped(alert.source, SMALL_LINE) if alert.source else ""
    if _is_resolved(alert):
        yield f"was {alert.severity.name}"
    elif alert.escalation_level:
        yield alert.severity.name
        yield f"level {alert.escalation_level}"
    if source:
        yield source
    if _is_resolved(alert) or alert.escalation_level:
        return
    yield escaped(_type_text(alert.alert_type), SMALL_LINE)
    if alert.acknowledged_by:
        yield escaped(f"acknowledged by {alert.acknowledged_by}", SMALL_LINE)
    yield from (escaped(tag, SMALL_LINE) for tag in alert.tags)
    yield from (fact_text(name, value) for name, value in alert.context.items() if name not in {_DO, _RESOLVED})
    yield from context_texts(view)


def _type_text(alert_type: str) -> str:
    """`external_api_downtime` as words: `external API downtime`."""
    words = alert_type.replace("_", " ").split()
    return " ".join(word.upper() if word in _ACRONYMS else word for word in words)

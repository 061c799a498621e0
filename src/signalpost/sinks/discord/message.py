"""Builds the body of one Discord message from notifications: their cards, or companions of cards."""

from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from typing import Any

import msgspec

from signalpost.domain.change import CancelOrder, Change, Close, ExpireOrder, Fill
from signalpost.domain.context import NO_CONTEXT
from signalpost.domain.digest import Digest
from signalpost.domain.life import after, opened
from signalpost.domain.notification import Notification
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.recap import Recap
from signalpost.domain.reports import Alert, MarketAnalysis, SystemStatus
from signalpost.domain.side import SignalStatus
from signalpost.domain.signal import Signal
from signalpost.domain.trade import Trade, TradeState
from signalpost.errors import InvalidValue, NotPossible
from signalpost.sinks.discord import limits
from signalpost.sinks.discord.cards.alert import alert_card, resolved_companion
from signalpost.sinks.discord.cards.away import away_card
from signalpost.sinks.discord.cards.companion import Step, companion, has_news
from signalpost.sinks.discord.cards.look import Look
from signalpost.sinks.discord.cards.recap import recap_card
from signalpost.sinks.discord.cards.reports import analysis_card, announcement_card, status_card
from signalpost.sinks.discord.cards.signal import event_card, signal_card
from signalpost.sinks.discord.cards.view import CardLink, MessageLink, View
from signalpost.sinks.evidence import Loss, Unwanted
from signalpost.sinks.port import Item, Shown


def message(items: Sequence[Item], look: Look, now: datetime, guild: str | None = None) -> dict[str, Any]:
    """Build the body of one message that shows 1 to 10 `items`.

    Companions of several trades get a line each; other items are shown one after the other. `guild` is the Discord
    server of a card that does not name its own. Raises InvalidValue for another number of items, or if they are too
    long together, and Unwanted if some of them have nothing to say, or the operator turned them off.
    """
    most = limits.EMBEDS if edited(items) is None else 1
    if not 0 < len(items) <= most:
        raise _invalid("items", f"cannot put {len(items)} notifications in one message", len(items), f"1 to {most}")
    bodies = [_body(item, look, now, guild) for item in items]
    wanted = [body for body in bodies if body is not None]
    if len(wanted) < len(items):
        raise _unwanted([item for item, body in zip(items, bodies, strict=True) if body is None])
    if len(wanted) == 1:
        return wanted[0]
    return _together(items, look, guild) or _joined(wanted)


def _unwanted(items: Sequence[Item]) -> Unwanted:
    undone = [item for item in items if (step := _step(item, None)) is not None and not has_news(step)]
    reason = (
        "what it reports was undone before it was sent" if undone else "the operator turned companions of this kind off"
    )
    return Unwanted(reason, frozenset(item.notification.id for item in undone or items))


def _together(items: Sequence[Item], look: Look, guild: str | None) -> dict[str, Any] | None:
    """One companion of several trades, if they are for the same readers and none of them has a mark of its own."""
    steps = [step for item in items if not item.may_repeat and (step := _step(item, guild)) is not None]
    views = {msgspec.structs.replace(view_of(item, look), context=NO_CONTEXT) for item in items}
    return companion(steps, look, views.pop()) if len(steps) == len(items) and len(views) == 1 else None


def _step(item: Item, guild: str | None) -> Step | None:
    """The step of a trade that a companion reports; None for anything else."""
    before, after = item.notification.before, item.notification.trade
    return None if before is None or after is None else Step(before, after, _link(item.card, guild))


def edited(items: Sequence[Item]) -> Shown | None:
    """The message that `items` edit; None if they are a new one."""
    return next((item.card for item in items if _is_edit(item)), None)


def _is_edit(item: Item) -> bool:
    return item.card is not None and not item.notification.is_companion


def _body(item: Item, look: Look, now: datetime, guild: str | None) -> dict[str, Any] | None:
    notification, view = item.notification, view_of(item, look)
    match notification.payload:
        case Signal() as signal:
            body = _body_of_signal(item, signal, look, view, guild)
        case Alert() as alert if notification.is_recovery:
            body = resolved_companion(alert, look, view, _link(item.card, guild))
        case Alert() as alert:
            body = alert_card(alert, look, view, now)
        case MarketAnalysis() as analysis:
            body = analysis_card(analysis, look, view)
        case SystemStatus() as status:
            body = status_card(status, look, view)
        case Digest() as digest:
            body = away_card(digest, look, view)
        case Recap() as recap:
            is_elsewhere = item.destination not in {None, recap.destination}
            body = recap_card(recap, look, view, guild, recap.destination if is_elsewhere else None)
        case announcement:
            body = announcement_card(announcement, look, view)
    if body is not None and not view.is_edit and (item.is_known or _is_silent(notification)):
        body["flags"] = limits.SILENT
    return body


def view_of(item: Item, look: Look) -> View:
    """The view that the readers of a message have of its trade."""
    notification, is_edit = item.notification, _is_edit(item)
    tier = notification.user_tier if item.tier is None else item.tier
    copy = look.copy(tier)
    return View(
        tier=tier,
        hidden=copy.hidden,
        delay=copy.delay,
        full_tier=look.full_tier,
        run=notification.run,
        is_edit=is_edit,
        may_repeat=item.may_repeat and not is_edit,  # an edit that is repeated shows nothing twice
        replaces_deleted=item.replaces is Loss.DELETED,
        replaces_lost=item.replaces not in {None, Loss.DELETED},
        chart=item.chart,
        keeps_chart=item.card.has_chart if is_edit and item.card is not None else False,
        context=notification.context,
    )


def _is_silent(notification: Notification) -> bool:
    """True for a replay, and for a low priority.

    The low priority of a status report does not count, because its card decides by the status. That of a price note
    does not count either, because a trade may be shown first in that state.
    """
    is_low = notification.priority is NotificationPriority.LOW and notification.trade is None
    return notification.run is not None or (is_low and not isinstance(notification.payload, SystemStatus))


def _body_of_signal(item: Item, signal: Signal, look: Look, view: View, guild: str | None) -> dict[str, Any] | None:
    notification = item.notification
    if (step := _step(item, guild)) is not None:
        return companion([step], look, view)
    if (trade := notification.shown) is not None:
        links = {}
        if trade.closes is not None:
            links["closes"] = CardLink(trade.closes, _link(item.closes, guild))
        if (other := item.closed_by) is not None:
            links["closed_by"] = CardLink(other.number, _link(other.card, guild))
        return signal_card(trade, look, msgspec.structs.replace(view, **links) if links else view)
    return _body_of_update(notification, signal, look, view)


def _link(card: Shown | None, guild: str | None) -> MessageLink | None:
    """The link to `card`; None if a part of it is unknown."""
    if card is None or card.channel is None or (server := card.guild or guild) is None:
        return None
    return MessageLink(server, card.channel, card.message_id)


def _body_of_update(notification: Notification, signal: Signal, look: Look, view: View) -> dict[str, Any]:
    """The message about a change that was queued without the signal book, so that its trade is not stored with it."""
    trade = _as_it_stands(notification, signal)
    if trade.end is not None:
        return signal_card(trade, look, view)
    return event_card(trade, notification.event, look, view)


def _as_it_stands(notification: Notification, signal: Signal) -> Trade:
    """The trade of a signal that carries its own status. A waiting order that is closed was filled first."""
    now = notification.accepted_at
    trade = opened(signal, notification.number or 0, (notification.user_tier,), now)
    if signal.initial_stop is not None:
        trade = trade.but(first_stop=signal.initial_stop)
    fill = [Fill(price=signal.entry_price)] if trade.state is TradeState.PENDING else []
    changes: dict[SignalStatus, list[Change]] = {
        SignalStatus.CLOSED: [*fill, Close(price=signal.current_price)],
        SignalStatus.CANCELLED: [CancelOrder()],
        SignalStatus.EXPIRED: [ExpireOrder()],
    }
    try:
        return reduce(lambda changed, change: after(changed, change, now), changes.get(signal.status, []), trade)
    except NotPossible:  # such as the expiry of a market order
        return trade


def _joined(bodies: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One body with the contents and embeds of `bodies`, silent if all of them are."""
    content = "\n".join(filter(None, (body.get("content") for body in bodies)))
    embeds = [embed for body in bodies for embed in body.get("embeds", ())]
    for field, length, most in (
        ("content", len(content), limits.CONTENT),
        ("embeds", sum(map(limits.size, embeds)), limits.SUM),
    ):
        if length > most:
            raise _invalid(
                field, f"{len(bodies)} notifications in one message exceed the limit of {field}", length, str(most)
            )
    roles = list(dict.fromkeys(role for body in bodies for role in body["allowed_mentions"].get("roles", ())))
    joined = bodies[0] | {"content": content, "embeds": embeds}
    if roles:
        joined["allowed_mentions"] = {"parse": [], "roles": roles}
    if not all("flags" in body for body in bodies):
        joined.pop("flags", None)
    return joined


def _invalid(field: str, what: str, value: int, limit: str) -> InvalidValue:
    text = f"{what}: use {limit} in one message"
    return InvalidValue(text, code="out-of-range", field=field, value=str(value), limit=limit)

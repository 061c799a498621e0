"""Builds one Discord message from notifications, always within Discord's limits."""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from signalpost.domain.alert import Alert
from signalpost.domain.market_analysis import MarketAnalysis
from signalpost.domain.notification import Notification
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.signal import Signal
from signalpost.domain.system_status import SystemStatus
from signalpost.errors import InvalidValue
from signalpost.sinks.discord import limits
from signalpost.sinks.discord.embed import Card, embed
from signalpost.sinks.discord.embed_alert import alert_card
from signalpost.sinks.discord.embed_reports import analysis_card, announcement_card, status_card
from signalpost.sinks.discord.embed_signal import signal_card
from signalpost.sinks.discord.escape import escaped
from signalpost.sinks.port import Item

_LONGEST_LINE = limits.CONTENT // limits.EMBEDS - 1  # minus its line end
_REPLAY, _MAY_REPEAT = "REPLAY ", " (may repeat)"


def message(items: Sequence[Item]) -> dict[str, Any]:
    """Build the body of one message from 1 to 10 `items`, with an embed each.

    If they are too long together, the longest are cut. Raises InvalidValue for another number of items.
    """
    if not 0 < len(items) <= limits.EMBEDS:
        raise InvalidValue(
            f"cannot put {len(items)} notifications in one message: use 1 to {limits.EMBEDS}",
            code="out-of-range",
            value=str(len(items)),
            limit=f"1 to {limits.EMBEDS}",
        )
    cards = [card_of(item.notification) for item in items]
    body: dict[str, Any] = {
        "content": "\n".join(_headline(card, item) for card, item in zip(cards, items, strict=True)),
        "embeds": _embeds(cards, items),
        "allowed_mentions": {"parse": []},
    }
    if all(item.notification.priority is NotificationPriority.LOW for item in items):
        body["flags"] = limits.SILENT
    return body


def fits(items: Iterable[Item]) -> int:
    """The number of leading `items` that fit in one message without cutting each other, at least 1."""
    sizes = [limits.size(_embed(card_of(item.notification), item)) for item, _ in zip(items, range(10), strict=False)]
    return max(min(len(sizes), 1), sum(total <= limits.SUM for total in accumulate(sizes)))


def card_of(notification: Notification) -> Card:
    """Build the card of a notification's payload."""
    match notification.payload:
        case Signal() as signal:
            return signal_card(signal, notification.event)
        case Alert() as alert:
            return alert_card(alert)
        case MarketAnalysis() as analysis:
            return analysis_card(analysis)
        case SystemStatus() as status:
            return status_card(status)
        case announcement:
            return announcement_card(announcement)


def _embeds(cards: Sequence[Card], items: Sequence[Item]) -> list[dict[str, Any]]:
    embeds = [_embed(card, item) for card, item in zip(cards, items, strict=True)]
    if len(embeds) == 1:  # already fits
        return embeds
    sizes = [limits.size(each) for each in embeds]
    if sum(sizes) <= limits.SUM:
        return embeds
    shares = _shares(sizes, limits.SUM)
    return [
        made if made_size <= share else _embed(card, item, share)
        for made, made_size, share, card, item in zip(embeds, sizes, shares, cards, items, strict=True)
    ]


def _embed(card: Card, item: Item, most: int = limits.SUM) -> dict[str, Any]:
    return embed(card, item.notification, may_repeat=item.may_repeat, most=most)


def _shares(sizes: Sequence[int], total: int) -> list[int]:
    """Divide `total`: small sizes get their full size, the others equal shares."""
    shares, left = list(sizes), total
    for done, index in enumerate(sorted(range(len(sizes)), key=sizes.__getitem__)):
        shares[index] = min(sizes[index], left // (len(sizes) - done))
        left -= shares[index]
    return shares


def _headline(card: Card, item: Item) -> str:
    before = _REPLAY if item.notification.run is not None else ""
    after = _MAY_REPEAT if item.may_repeat else ""
    line = escaped(card.headline, _LONGEST_LINE - len(before) - len(after)).replace("\n", " ")
    return f"{before}{line}{after}"

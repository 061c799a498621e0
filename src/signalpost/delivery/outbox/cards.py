"""Records what each destination shows of a trade, and decides what a delivery sends."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from signalpost.delivery.outbox import sql
from signalpost.delivery.outbox.book import CardEntry
from signalpost.delivery.outbox.commands import CardResult, OutboxEntry, Settlement
from signalpost.delivery.outbox.order import Row
from signalpost.delivery.outbox.rows import instant, micros, notification_in
from signalpost.delivery.outbox.transaction import Transaction, Write
from signalpost.domain.change import CloseReason, NotePrice, Update
from signalpost.domain.delivery import Delivery, DeliveryState
from signalpost.domain.events import CardGone
from signalpost.domain.notification import COMPANION, NEW, Notification, is_chart, payload_id
from signalpost.domain.reports import Alert
from signalpost.domain.signal import Signal
from signalpost.domain.tier import UserTier
from signalpost.sinks.evidence import Loss
from signalpost.sinks.port import Shown, Successor

_SHOWN_BY = {True: "superseded: its card shows this state", False: "superseded: its card shows a newer state"}
NEVER_SHOWN = "its signal was never shown here"
ALERT_NEVER_SHOWN = "its alert was never shown here"
_LOOK_AGAIN = timedelta(seconds=2)
"""How long a delayed tier, or a companion, waits before it checks again whether the cards before it were sent."""
_FOR_THE_CARD = timedelta(seconds=0.5)
"""How long a companion waits at least, so that its link leads to the new state."""
_TO_SEND = timedelta(seconds=20)
"""How long a companion must be valid to be joined with others. Sending all of them ends when the first expires."""
_ACTIVE, _RESOLVED = 1, 2
"""The versions of an alert."""
_FEWEST_TOGETHER, _MOST_TOGETHER = 3, 10
"""Trades in one message."""
_SUPERSEDED = DeliveryState.SUPERSEDED
OUTDATED = "superseded: its signal has changed since"
GONE = "its card was deleted twice"
FOR_ITS_CARD = timedelta(seconds=1)
"""How long a companion waits for its card."""
ELSEWHERE = "its signal is shown by a fallback"


class CardRow(NamedTuple):
    """A row of the table `card`, with the message that shows it."""

    sequence: str
    destination: str
    tier: UserTier
    open_until: datetime
    release_at: datetime
    delay: timedelta
    """0 for the tiers that are served first."""
    shows_ended: bool
    message: Shown | None = None
    version: int = 0
    posted_version: int | None = None
    first_shown_at: datetime | None = None
    is_doubtful: bool = False
    replacements: int = 0
    loss: Loss | None = None
    """Why its last message was lost."""
    is_stopped: bool = False
    is_late: bool = False
    """Whether it has only shown the end of the trade."""

    @property
    def is_shown(self) -> bool:
        """Whether the destination shows the trade, or may show it."""
        return self.message is not None or self.is_doubtful

    @property
    def has_readers(self) -> bool:
        """Whether readers may have seen the trade, but no message that shows it is known now."""
        return self.message is None and (self.is_doubtful or self.loss is not None)

    def companion_ending(self, version: int) -> tuple[DeliveryState, str] | None:
        """How a companion on a version ends without being sent; None if it is to be sent."""
        if self.is_stopped:
            return DeliveryState.SUPPRESSED, self._stopped_for
        if self.posted_version is not None and self.posted_version >= version:
            return DeliveryState.SUPERSEDED, _SHOWN_BY[self.posted_version == version]
        return None if self.is_shown or self.loss is not None else (DeliveryState.SUPPRESSED, NEVER_SHOWN)

    def ending(self, version: int, now: datetime, *, is_live: bool) -> tuple[DeliveryState, str] | None:
        """How a version of the card ends without being sent; None if it is to be sent."""
        if self.is_stopped:
            return DeliveryState.SUPPRESSED, self._stopped_for
        if self.message is not None and self.version >= version:
            return DeliveryState.SUPERSEDED, _SHOWN_BY[self.version == version]
        may_post = self.is_shown or self.replacements or ((is_live or self.shows_ended) and now < self.open_until)
        return None if may_post else (DeliveryState.SUPPRESSED, NEVER_SHOWN)

    def may_get_chart(self, version: int) -> bool:
        """Whether a chart may be added to the message, which shows this version."""
        is_shown = not self.is_stopped and self.version == version
        return is_shown and self.message is not None and self.message.has_chart is not True

    @property
    def _stopped_for(self) -> str:
        return ELSEWHERE if self.loss is Loss.UNREACHABLE else GONE

    @property
    def entry(self) -> CardEntry:
        """The part of it that people see."""
        was_live = (self.first_shown_at is not None or self.is_doubtful) and not self.is_late
        shown = self.message, self.version, self.first_shown_at, was_live
        return CardEntry(self.destination, self.tier, *shown, self.is_stopped and self.loss is Loss.UNREACHABLE)


def cards_of(tx: Transaction, sequence: str) -> list[CardRow]:
    """The cards of a trade, one for each destination."""
    return [_card(values) for values in tx.select(f"{sql.CARDS} = ? ORDER BY destination", (sequence,))]


def is_opening(notification: Notification) -> bool:
    """Whether it opens a trade, or shows one to more destinations."""
    return notification.event == NEW and isinstance(notification.payload, Signal)


def version_of(notification: Notification) -> int:
    """The version of the trade or alert that a notification shows; 0 if it shows neither."""
    if notification.trade is not None:
        return notification.trade.version
    if isinstance(notification.payload, Alert):
        return _RESOLVED if notification.resolves or notification.is_recovery else _ACTIVE
    return 1 if is_opening(notification) else 0


def leased_entry(tx: Transaction, row: Row, notification: Notification, now: datetime) -> OutboxEntry | Row:
    """The entry to send; or the row as it ends, if its card already shows this or must not show it."""
    plain = OutboxEntry(row.delivery, notification)
    if isinstance(notification.payload, Alert):
        return _alert(tx, plain, row, now)
    if not (version := version_of(notification)):
        return plain
    sequence = row.delivery.sequence.removesuffix(COMPANION)
    found = tx.first(sql.CARD, (sequence, row.delivery.id.destination))
    if found is None:
        return plain
    card = _card(found)
    if notification.before is not None:
        return _companion(tx, row, notification, card, now)
    if is_chart(notification.event):
        return _chart(tx, row, notification, card)
    is_live = notification.trade is None or notification.trade.state.is_live
    if (end := card.ending(version, now, is_live=is_live)) is not None:
        return row.moved(*end)
    if row.delivery.id.turn > 1 and tx.first(sql.VERSION_OF, (sequence,)) != (version,):
        return row.moved(DeliveryState.SUPERSEDED, OUTDATED)
    if card.delay and not is_live and tx.first(sql.IS_LIVE, (sequence,)) is not None:  # it was reopened
        return row.moved(DeliveryState.SUPERSEDED, OUTDATED)
    if card.delay and _is_served_before(tx, card):
        return _put_off(row, now)
    closes, closed_by = _reversed_card(tx, notification, card), _successor(tx, notification, card)
    is_known = card.has_readers and not card.is_doubtful and _is_known(tx, notification, card)
    delivery = _posted(row.delivery, card)
    return OutboxEntry(delivery, notification, card.message, card.loss, card.tier, closes, is_known, closed_by)


def _is_known(tx: Transaction, notification: Notification, card: CardRow) -> bool:
    """Whether only notes are new to readers: no companion about an earlier change is still to be sent."""
    change = None if notification.trade is None else notification.trade.last_change
    is_note = isinstance(change, NotePrice) or (isinstance(change, Update) and change.is_note)
    if card.delay or not is_note:
        return False
    return not _is_to_come(tx, f"{card.sequence}{COMPANION}", {card.destination})


def _companion(
    tx: Transaction, row: Row, notification: Notification, card: CardRow, now: datetime
) -> OutboxEntry | Row:
    if (end := card.companion_ending(version_of(notification))) is not None:
        if end[1] == NEVER_SHOWN and tx.is_in_flight(card.sequence, card.destination, with_chart=False):
            return _put_off(row, now)  # the card may be shown, and its receipt is not saved yet
        return row.moved(*end)
    if card.has_readers and _is_to_come(tx, card.sequence, {card.destination}):
        return _put_off(row, now)  # the card has the same news, and must be sent first
    return OutboxEntry(row.delivery, notification, _linked(tx, card), tier=card.tier)


def _chart(tx: Transaction, row: Row, notification: Notification, card: CardRow) -> OutboxEntry | Row:
    """The entry of a chart: the card as it is, if it shows the newest state."""
    version = version_of(notification)
    if not card.may_get_chart(version) or tx.first(sql.VERSION_OF, (card.sequence,)) != (version,):
        return row.moved(_SUPERSEDED, OUTDATED)
    closes = _reversed_card(tx, notification, card)
    return OutboxEntry(row.delivery, notification, card.message, card.loss, card.tier, closes)


def _alert(tx: Transaction, plain: OutboxEntry, row: Row, now: datetime) -> OutboxEntry | Row:
    """The entry of an alert. Its end edits the message that shows it, and the companion is sent after that."""
    notification, lane = plain.notification, row.delivery.id.destination
    if not (notification.resolves or notification.is_recovery):
        return plain
    sequence = row.delivery.sequence.removesuffix(COMPANION)
    if notification.is_recovery and _is_to_come(tx, sequence, {lane}):
        return _put_off(row, now)
    found = tx.first(sql.CARD, (sequence, lane))
    card = None if found is None else _card(found)
    if not notification.is_recovery:
        return plain if card is None else plain._replace(card=card.message, replaces=card.loss)
    if card is None:
        return row.moved(DeliveryState.SUPPRESSED, ALERT_NEVER_SHOWN)
    end = card.companion_ending(_RESOLVED)
    return plain._replace(card=_linked(tx, card)) if end is None else row.moved(*end)


def _put_off(row: Row, now: datetime) -> Row:
    later = row.delivery._replace(not_before=now + _LOOK_AGAIN)
    return row._replace(delivery=later).moved(DeliveryState.PENDING, row.delivery.reason)


def together(tx: Transaction, first: OutboxEntry, now: datetime) -> tuple[OutboxEntry, ...]:
    """Lease the entries of one message: `first`, and the waiting companions of at least two other trades.

    The companions need not be due. Only those that were never tried are joined. So a second try is marked as one, and a
    companion that Discord rejected is tried alone.
    """
    if not _may_be_joined(first, now):
        return (first,)
    found = list(islice(_companions_beside(tx, first, now), _MOST_TOGETHER - 1))
    if len(found) < _FEWEST_TOGETHER - 1:
        return (first,)
    tx.move([row for row, _ in found], was=DeliveryState.PENDING)
    return tuple(sorted((first, *(entry for _, entry in found)), key=lambda each: each.delivery.id))


def _companions_beside(tx: Transaction, first: OutboxEntry, now: datetime) -> Iterator[tuple[Row, OutboxEntry]]:
    """The companions of other trades that wait in a lane, the first of each trade, leased."""
    lane, seen = first.delivery.id.destination, {first.delivery.sequence}
    for row in tx.companions(lane):
        sequence = row.delivery.sequence
        notification = tx.look_up(row)
        if sequence in seen or tx.is_in_flight(sequence, lane) or not isinstance(notification, Notification):
            continue
        seen.add(sequence)  # a later one of the same trade stays behind it
        leased = row.moved(DeliveryState.LEASED, row.delivery.reason)
        entry = leased_entry(tx, leased, notification, now)
        if isinstance(entry, OutboxEntry) and _may_be_joined(entry, now) and _readers(entry) == _readers(first):
            yield leased, entry


def _may_be_joined(entry: OutboxEntry, now: datetime) -> bool:
    delivery, notification = entry.delivery, entry.notification
    is_untried = not delivery.attempts and not delivery.may_repeat
    has_waited = notification.accepted_at + _FOR_THE_CARD <= now
    return notification.before is not None and is_untried and has_waited and now + _TO_SEND <= delivery.valid_until


def _readers(entry: OutboxEntry) -> tuple[UserTier | None, str | None]:
    """The look of a companion also depends on these: its tier and its replay."""
    return entry.tier, entry.notification.run


def _linked(tx: Transaction, card: CardRow) -> Shown | None:
    """The message of a card. If its server is unknown, that of other messages in the destination is used."""
    if card.message is None or card.message.guild is not None:
        return card.message
    found = tx.first(sql.RECENT_GUILD, (card.destination,))
    return card.message._replace(guild=None if found is None else found[0])


def _reversed_card(tx: Transaction, notification: Notification, card: CardRow) -> Shown | None:
    """The message that shows the trade which the trade of `card` reverses."""
    number = notification.closes if notification.trade is None else notification.trade.closes
    found = None if number is None else tx.first(sql.CARD_OF_NUMBER, (number, card.destination))
    return None if found is None else _linked(tx, _card(found))


def _successor(tx: Transaction, notification: Notification, card: CardRow) -> Successor | None:
    """The trade that reversed that of `card`, if this destination shows it, or gets it without a delay."""
    trade = notification.trade
    if trade is None or trade.end_reason is not CloseReason.REVERSED or notification.run is not None:
        return None
    for number, opening in tx.select(sql.OPENINGS_SINCE, {"number": trade.number}):
        found = notification_in((tx.first(sql.OPENING, (opening,)) or (None,))[0])
        if not isinstance(found, Notification) or found.closes != trade.number:
            continue
        values = tx.first(sql.CARD_OF_NUMBER, (number, card.destination))
        other = None if values is None else _card(values)
        if other is None or (other.delay and other.message is None):  # it is not known here yet
            return None
        return Successor(number, _linked(tx, other))
    return None


def _is_served_before(tx: Transaction, card: CardRow) -> bool:
    """Whether a faster tier still waits for a card of this trade."""
    faster = {each.destination for each in cards_of(tx, card.sequence) if each.delay < card.delay}
    return _is_to_come(tx, card.sequence, faster)


def _is_to_come(tx: Transaction, sequence: str, lanes: set[str]) -> bool:
    """Whether a card of a trade waits or is being sent in one of these lanes. Charts do not count."""
    waiting = {lane for (lane,) in tx.select(sql.LANES_OF_WAITING, (sequence,))}
    return bool(lanes & waiting) or any(tx.is_in_flight(sequence, each, with_chart=False) for each in lanes)


def _posted(delivery: Delivery, card: CardRow) -> Delivery:
    """A first post expires when its opening is too old to be shown. One that may show the card twice is marked so."""
    if card.is_doubtful:
        return delivery._replace(may_repeat=True)
    if card.is_shown or card.replacements:
        return delivery
    return delivery._replace(valid_until=min(delivery.valid_until, card.open_until))


def with_card(verdict: Settlement, entry: OutboxEntry) -> Settlement:
    """The verdict with its result for the card of a trade. A failed chart does not change the card's state."""
    if is_chart(entry.notification.event) and verdict.state is not DeliveryState.DELIVERED:
        is_over = verdict.state is DeliveryState.DEAD or (verdict.card is not None and verdict.card.loss is not None)
        return verdict._replace(state=DeliveryState.SUPPRESSED if is_over else verdict.state, card=None)
    version = version_of(entry.notification)
    if not version or entry.notification.is_companion:
        return verdict
    trade, is_of_alert = entry.notification.trade, isinstance(entry.notification.payload, Alert)
    shows_end = trade is not None and not trade.state.is_live
    _, is_edit, loss, is_stopped, is_uncertain, *_ = verdict.card or CardResult(0, entry.is_edit)
    card = CardResult(version, is_edit, loss, is_stopped, is_uncertain, shows_end, is_of_alert)
    return verdict._replace(card=card)


def cards_gone(entries: Sequence[OutboxEntry], verdicts: Sequence[Settlement], at: datetime) -> tuple[CardGone, ...]:
    """The cards that were found lost."""
    return tuple(
        CardGone(
            verdict.id.destination,
            payload_id(entry.notification.payload),
            card.loss.value,
            card.is_stopped,
            at,
            entry.card and entry.card.channel,
        )
        for entry, verdict in zip(entries, verdicts, strict=True)
        if (card := verdict.card) is not None and card.loss is not None and not card.is_of_alert
    )


def settle_card(row: Row, verdict: Settlement) -> Iterator[Write]:
    """The writes that update a card by the result of its delivery."""
    result, message = verdict.card, verdict.message
    where = (row.delivery.sequence, row.delivery.id.destination)
    if (row.is_card and verdict.may_repeat) or (result is not None and result.is_uncertain):
        yield sql.FORGET_DIGEST, where[::-1]
    if is_chart(row.event) and row.delivery.state is not DeliveryState.DELIVERED and verdict.attempt is not None:
        yield sql.DOUBT_CHART, where[::-1]
    if result is None:
        return
    shows_end = result.shows_end
    if row.delivery.state is DeliveryState.SUPERSEDED:
        yield sql.SHOW_CARD, (None, result.version, None, None, shows_end, *where)
    elif row.delivery.state is DeliveryState.DELIVERED and message is not None and message.message_id:
        posted = None if result.is_edit else result.version
        if result.is_of_alert:  # it has no row before it is shown
            yield sql.ADD_CARD, (*where, UserTier.ADMIN, micros(row.delivery.valid_until), 0, 0, False)
        yield sql.SHOW_CARD, (message.message_id, result.version, posted, micros(message.sent_at), shows_end, *where)
    elif result.loss is not None:
        yield sql.LOSE_CARD, (result.loss.value, result.is_stopped, *where)
        yield sql.MARK_EDIT, (False, *row.delivery.id)
    elif not result.is_edit and row.delivery.state is DeliveryState.DELIVERED:  # but its message is unknown
        yield sql.DOUBT_CARD, (result.version, message and micros(message.sent_at), shows_end, *where)
    elif not result.is_edit and verdict.may_repeat:
        yield sql.DOUBT_CARD, (0, None, shows_end, *where)


def _card(values: Sequence[Any]) -> CardRow:
    """A card's row. A damaged one is left alone: it may be shown, and must not be posted again."""
    sequence, destination, tier, until, release, delay, shows_ended, message_id, version, posted, first, *rest = values
    doubtful, replacements, loss, stopped, late, *where = rest
    try:
        return CardRow(
            sequence,
            destination,
            UserTier(tier),
            instant(until),
            instant(release),
            timedelta(microseconds=delay),
            bool(shows_ended),
            None if message_id is None else _shown(message_id, *where),
            int(version),
            posted,
            None if first is None else instant(first),
            bool(doubtful),
            int(replacements),
            None if loss is None else Loss(loss),
            bool(stopped),
            bool(late),
        )
    except (ValueError, TypeError, OverflowError):
        never = instant(0)
        row = CardRow(sequence, destination, UserTier.ADMIN, never, never, timedelta(0), shows_ended=False)
        return row._replace(is_stopped=True)


def _shown(message_id: str, channel: Any, guild: Any, webhook: Any, digest: Any, has_chart: Any) -> Shown:
    return Shown(message_id, channel, guild, webhook, digest, None if has_chart is None else bool(has_chart))

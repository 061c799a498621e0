"""The signal book: the commands that change and read trades, and what each destination shows of them.

See docs/why/0032-a-signal-has-a-life.md.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from signalpost.delivery.deduplication import NO_FILTERS, Filters
from signalpost.delivery.outbox.backlog import Backlog
from signalpost.delivery.outbox.commands import Command, Find, History, LoadFacts, LoadState, Open, Stats
from signalpost.domain.change import Change
from signalpost.domain.context import NO_CONTEXT, Context
from signalpost.domain.delivery import Delivery
from signalpost.domain.instrument import Instrument
from signalpost.domain.notification import Notification
from signalpost.domain.ticket import Outcome, Refusal
from signalpost.domain.tier import UserTier
from signalpost.domain.trade import FollowState, Trade, TradeState
from signalpost.domain.validity import OPEN_FOR
from signalpost.sinks.port import Shown


class CardEntry(NamedTuple):
    """A trade's card in one destination."""

    destination: str
    tier: UserTier
    message: Shown | None
    """The message that shows it; None if there is none, or none is known."""
    version: int
    """The version of the trade that it shows; 0 if it was never shown."""
    first_shown_at: datetime | None
    was_live: bool = False
    """Whether it was shown, or may have been, before the trade ended."""
    is_elsewhere: bool = False
    """Whether a fallback shows it, because this destination could not be reached."""


class BookEntry(NamedTuple):
    """A trade with its cards, in the order of their destinations."""

    trade: Trade
    run: str | None
    """The id of the replay that it belongs to; None outside replays."""
    cards: tuple[CardEntry, ...]


class Amendment(NamedTuple):
    """The answer to `Amend`."""

    outcome: Outcome
    """Accepted, duplicate or refused."""
    trade: Trade | None
    """After the change; the unchanged trade if it had no effect; None if there is no such trade."""
    refusal: Refusal | None = None
    reason: str | None = None
    """Why it was refused, and what is possible."""
    notification: Notification | None = None
    """Of the change; None if nothing changed."""
    repeats: str = ""
    """The id of the change that was accepted under the same key."""
    waiting: tuple[str, ...] = ()
    """The destinations of the deliveries that were added, for cards and companions."""
    superseded: tuple[Delivery, ...] = ()
    """The deliveries that the added ones replace."""


class Permission(NamedTuple):
    """What a caller may change, and how."""

    tiers: frozenset[UserTier]
    """Only trades whose tiers are all among these."""
    verbs: frozenset[str]
    """The verbs that the caller may use; a refusal suggests only these."""


class Amend(Command[Amendment], frozen=True):
    """Change a trade, and put the change on the cards that show it, with a companion. Answer: `Amendment`.

    Nothing is written unless the change is accepted. Without `if_version` changes apply in the order of their commits.
    """

    name: str
    """The signal's id, its short id, its `#number`, or its pair if exactly one of that pair is live.

    In a replay, only the id.
    """
    change: Change
    now: datetime
    """When the change was submitted. If it was held, that is before its commit."""
    ids: tuple[str, str]
    """For the notification of the change, and of its companion."""
    if_version: int | None = None
    """Refuse the change if the trade has another version."""
    may: Permission | None = None
    """None for all trades and verbs."""
    run: str | None = None
    """The replay of the signal; None outside replays."""
    context: Context = NO_CONTEXT
    exact: bool = False
    """If set, a pair or a number without `#` finds nothing, so that a program's wrong id never finds another signal."""
    key: str | None = None
    """The caller's idempotency key. For 7 days, any other change with it is a duplicate, even a change of another
    signal."""
    request: bytes | None = None
    """Identifies the request. A later one that differs, with the same key, is refused; if None, it is a duplicate."""
    open_for: timedelta = OPEN_FOR
    """How long a trade may be live without a change. Edits expire a day after that."""


class AddChart(Command[Notification | None], frozen=True):
    """Put an edit that adds a chart to a card, if the card shows the newest state of a live trade and has no chart.

    Answer: its notification; None if the card is not shown yet, or a delivery for it waits or is being sent.
    """

    sequence: str
    destination: str
    id: str
    """For the notification."""
    now: datetime
    valid_until: datetime


class Follow(Command[tuple[Amendment, ...] | None], frozen=True):
    """Save the changes that candles caused, and the follower's states of the trades: all of them, or nothing.

    Answer: an `Amendment` for each change; None, and nothing is written, if any of the trades has changed since.
    """

    changes: tuple[Amend, ...]
    """In the order in which they apply, with the ids of signals as names. Each must be possible for its trade."""
    versions: Mapping[str, int]
    """The version of each trade before its changes, by the id of its signal."""
    states: Mapping[str, FollowState]
    """The follower's state of each trade, by the id of its signal."""
    now: datetime
    run: str | None = None
    """The replay of the trades."""
    filters: Filters = NO_FILTERS
    """The filters that decide whether a price note is posted."""


class EndTrades(Command[tuple[Amendment, ...]], frozen=True):
    """End trades that have neither changed nor been followed for too long.

    Waiting orders expire, and open trades end without a result. Answer: an `Amendment` each, without companions.
    """

    before: datetime
    """Only trades whose last change, or last followed candle, was before this."""
    now: datetime
    ids: tuple[str, ...]
    """For the notifications. No more trades are ended than there are ids."""


class FindTrades(Command[tuple[BookEntry, ...]], frozen=True):
    """Find trades, the newest first, either of one replay or outside all replays. Answer: a tuple of `BookEntry`."""

    name: str | None = None
    """As in `Amend`, but a pair finds all its live trades; None for all trades. Without effect in a replay."""
    exact: bool = False
    """As in `Amend`."""
    only_live: bool = False
    states: frozenset[TradeState] | None = None
    """Only trades in one of these; None for all."""
    pair: Instrument | None = None
    """Only trades whose pair is displayed like this one; None for all."""
    tiers: frozenset[UserTier] | None = None
    """Only trades whose tiers are all among these; None for all."""
    above: int = 0
    """Only trades with a greater number."""
    changed_since: datetime | None = None
    """Only trades that are live, or were changed then or later; None for all."""
    run: str | None = None
    """Only trades of this replay; None for those outside replays."""
    limit: int | None = None
    """None for all."""


READING: frozenset[type] = frozenset({Find, Open, History, Stats, Backlog, LoadState, LoadFacts, FindTrades})
"""Commands that change nothing, so they need not wait for a writer."""

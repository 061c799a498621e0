"""A signal and all that became of it: its entry in the signal book. `life.after` gives the trade after a change.

Shares are per cent of the initial size, exact. Its result comes from prices alone, and is exact until it is shown.
"""

from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import cached_property, reduce
from itertools import groupby, pairwise
from operator import sub

import msgspec

from signalpost.domain.change import ALL, Change, CloseReason, Correct, Flag
from signalpost.domain.context import NO_CONTEXT, Context
from signalpost.domain.distance import PIPS, Distance, distance_of
from signalpost.domain.exact import difference, quotient, rounded
from signalpost.domain.side import SignalStatus
from signalpost.domain.signal import Signal
from signalpost.domain.target import Target
from signalpost.domain.tier import UserTier
from signalpost.domain.value import Value
from signalpost.domain.words import Word

WHOLE = Fraction(ALL)
"""The whole initial size, in per cent."""


class TradeState(Word):
    """Where a trade is in its life."""

    PENDING = "pending"
    """The entry was not reached yet."""
    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_live(self) -> bool:
        """True if it can still change without being reopened."""
        return self in _LIVE


_LIVE = (TradeState.PENDING, TradeState.OPEN)


class News(Word):
    """The latest change that a card names."""

    OPENED = "opened"
    FILLED = "filled"
    TARGET = "target"
    STOP = "stop"
    PART = "part"
    ENDED = "ended"


class Filled(msgspec.Struct, frozen=True):
    """The fill of a trade's entry."""

    price: Decimal
    at: datetime


class Part(msgspec.Struct, frozen=True):
    """A part that was closed."""

    share: Fraction
    price: Decimal
    at: datetime
    target: int | None = None
    """The number of the target that closed it, from 1; None if a person, the stop or the end did."""
    is_reported: bool = False
    """Whether the price is only a person's word."""


class PriceNote(msgspec.Struct, frozen=True):
    """How far the price of an open trade had come when a candle closed."""

    level: Decimal
    """The price of the level that was reached. The next note is a step away from it."""
    price: Decimal
    """The close, on the side of the quote at which the trade would be closed."""
    at: datetime
    stopped_for: str | None = None
    """The filter that stopped the note, and why; None if it is shown."""


class End(msgspec.Struct, frozen=True):
    """How a trade ended."""

    at: datetime
    reason: CloseReason | None = None
    """Why it was closed; None if it never was filled."""
    price: Decimal | None = None
    """The price at which the rest was closed; None if nobody knows it, or if the trade never was filled."""
    text: str | None = None
    """Why it was cancelled, in a person's words; or the rule by which it was not posted, and why."""
    before: "Before | None" = None
    """The state that `Reopen` restores."""


class Before(msgspec.Struct, frozen=True):
    """The part of a trade that its end changed, as it was before."""

    state: TradeState
    parts: int
    """The number of parts."""
    hits: int
    news: News
    flags: tuple[Flag, ...]


class FollowState(Value, frozen=True, kw_only=True, tag="follow_state"):
    """All that the follower remembers of a trade between two candles; `outcomes.begin` makes the first.

    Stop and targets are those that were in force at the end of the last candle.
    """

    since: datetime
    """Candles that opened earlier do not count, or were taken."""
    stop: Decimal | None = None
    targets: tuple[Decimal, ...] = ()


class Trade(Value, frozen=True, kw_only=True, tag="trade"):
    """A signal's entry in the book. `life.opened` makes one."""

    signal: Signal
    """As it was opened, with corrections."""
    number: int
    """Counts the trades of a data folder from 1."""
    version: int = 1
    """Grows by one with each change."""
    state: TradeState
    tiers: tuple[UserTier, ...]
    """The tiers that it was sent to."""
    opened_at: datetime
    """When it was accepted."""
    changed_at: datetime
    closes: int | None = None
    """The number of the trade that it reverses; None if it reverses none."""
    fill: Filled | None = None
    first_stop: Decimal | None = None
    """The stop from which R counts: the one at the fill."""
    stop: Decimal | None = None
    """The current stop."""
    stop_was: Decimal | None = None
    """The stop before it was last moved."""
    stop_moved_at: datetime | None = None
    levels_at: datetime | None = None
    """When stop or targets were last set, if that was after the opening."""
    targets: tuple[Target, ...] = ()
    hits: int = 0
    """How many of the targets were hit."""
    parts: tuple[Part, ...] = ()
    end: End | None = None
    flags: tuple[Flag, ...] = ()
    note: str | None = None
    """The latest."""
    price_note: PriceNote | None = None
    """The latest."""
    context: Context = NO_CONTEXT
    """The callers' facts, shown on the card in every state."""
    corrections: tuple[Correct, ...] = ()
    """The earlier values, for each correction."""
    withdrawn: tuple[End, ...] = ()
    """The ends that were a mistake. They were shown, so they stay in the record."""
    news: News = News.OPENED
    last_change: Change | None = None
    followed: FollowState | None = None
    """None if no feed has followed it yet."""

    @property
    def entry(self) -> Decimal:
        """The fill's price, or the planned one before it."""
        return self.signal.entry_price if self.fill is None else self.fill.price

    @property
    def entered_at(self) -> datetime:
        """When it was filled, or else when it was known."""
        return self.signal.known_at if self.fill is None else self.fill.at

    @property
    def open_share(self) -> Fraction:
        """The share that is still open, in per cent; before the fill, the share to be opened."""
        return reduce(sub, (part.share for part in self.parts), WHOLE)

    @property
    def shares(self) -> tuple[Fraction, ...]:
        """The share that each target that is not hit yet will close, in per cent: what is open, pro rata.

        If no shares were given, the targets share equally. What they leave runs to the stop or the close.
        """
        ahead = self.targets[self.hits :]
        if not ahead:
            return ()
        if any(target.share is None for target in ahead):
            return (self.open_share / len(ahead),) * len(ahead)
        planned = [Fraction(target.share) for target in ahead if target.share is not None]
        runner = max(Fraction(0), WHOLE - sum(Fraction(target.share or 0) for target in self.targets))
        return tuple(self.open_share * each / (sum(planned) + runner) for each in planned)

    @property
    def last_at(self) -> datetime:
        """The time of the last fill or part; before one, when the signal was known."""
        return max([self.entered_at, *(part.at for part in self.parts)])

    @property
    def end_reason(self) -> CloseReason | None:
        """Why it was closed; None if it is live or never was filled."""
        return None if self.end is None else self.end.reason

    @property
    def status(self) -> SignalStatus:
        """The state as a signal's status."""
        return _STATUS_BY_STATE[self.state]

    def gain(self, price: Decimal) -> Decimal:
        """The price gained from the entry to `price`, exactly; negative for a loss."""
        return difference(price, self.entry) if self.signal.signal_type.sign > 0 else difference(self.entry, price)

    def can_end_by(self, reason: CloseReason, price: Decimal) -> bool:
        """Whether `price` fits a reason: a stop makes no gain beyond the current stop, and a target no loss."""
        gain = self.gain(price)
        if reason is CloseReason.STOP and self.stop is not None:
            return gain <= max(Decimal(0), self.gain(self.stop))
        return reason is not CloseReason.TARGET or gain >= 0


def unpublished(trade: Trade, reason: str) -> Trade:
    """The trade of a new signal that is recorded for a reason, but never posted: it has expired."""
    return trade.but(
        state=TradeState.EXPIRED,
        version=trade.version + 1,
        end=End(trade.opened_at, text=reason),
        news=News.ENDED,
        flags=(*trade.flags, Flag.UNPUBLISHED),
    )


def is_news(before: Trade, after: Trade) -> bool:
    """Whether a change needs a companion: any change except a note and a market order's fill."""
    return any(getattr(before, name) != getattr(after, name) for name in _NEWS_FIELDS) or (
        Flag.REVISED in after.flags and Flag.REVISED not in before.flags
    )


def one_order_each(before: Trade, after: Trade) -> list[tuple[Trade, Trade]]:
    """The steps from one trade to a later one, so that none asks readers to do two things.

    The parts that were closed in a row at one price are one order, and a moved stop is another. An end is the only one.
    """
    if after.end is not None or before.end is not None:
        return [(before, after)]
    known = len(before.parts)
    by_hand = [count for count, part in enumerate(after.parts, 1) if count > known and part.target is None]
    orders = [list(each)[-1] for _, each in groupby(by_hand, lambda count: after.parts[count - 1].price)]
    if after.stop == before.stop:
        orders = orders[:-1]
    return list(pairwise((before, *(_at_part(before, after, count) for count in orders), after)))


def _at_part(before: Trade, after: Trade, count: int) -> Trade:
    """The trade between two states, when only the first `count` of its parts were closed."""
    parts = after.parts[:count]
    hits = max(before.hits, *(part.target or 0 for part in parts))
    return after.but(parts=parts, hits=hits, stop=before.stop, corrections=before.corrections)


_NEWS_FIELDS = ("state", "stop", "targets", "parts", "end", "corrections")
_STATUS_BY_STATE = {
    TradeState.PENDING: SignalStatus.PENDING,
    TradeState.OPEN: SignalStatus.ACTIVE,
    TradeState.CLOSED: SignalStatus.CLOSED,
    TradeState.CANCELLED: SignalStatus.CANCELLED,
    TradeState.EXPIRED: SignalStatus.EXPIRED,
}


_EVEN_BELOW = Fraction(5, 100)


class Verdict(Word):
    """How a result counts."""

    WIN = "win"
    LOSS = "loss"
    BREAK_EVEN = "break-even"


class Result:
    """The result of the parts of a trade that were closed, weighted by their shares of the initial size."""

    def __init__(self, trade: Trade) -> None:
        self._trade = trade

    @cached_property
    def _gain(self) -> Fraction:
        return sum((_weighted(self._trade.gain(part.price), part.share) for part in self._trade.parts), Fraction(0))

    @cached_property
    def exact_r(self) -> Fraction | None:
        """In units of the risk at the fill, for sums; None without an initial stop."""
        return None if (risk := risk_of(self._trade)) is None else self._gain / Fraction(risk)

    @property
    def r(self) -> Decimal | None:
        """`exact_r`, rounded to 18 decimals."""
        return None if (exact := self.exact_r) is None else rounded(exact)

    @property
    def distance(self) -> Distance:
        """In the unit of the instrument's class."""
        return distance_of(self._trade.signal.pair, self._gain, self._trade.entry)

    @property
    def pips(self) -> Decimal | None:
        """In pips; None for instruments that are not counted in pips."""
        return self.distance.amount if self.distance.unit == PIPS else None

    @property
    def percent(self) -> Decimal | None:
        """Of the entry, without leverage; None for an entry at zero or below."""
        return quotient(self._gain * 100, self._trade.entry) if self._trade.entry > 0 else None

    @property
    def verdict(self) -> Verdict:
        """A win from +0.05R, a loss from -0.05R; without R the sign decides."""
        exact, margin = (self._gain, Fraction(0)) if self.exact_r is None else (self.exact_r, _EVEN_BELOW)
        if exact == 0 or abs(exact) < margin:
            return Verdict.BREAK_EVEN
        return Verdict.WIN if exact > 0 else Verdict.LOSS


def _weighted(gain: Decimal, share: Fraction) -> Fraction:
    numerator, denominator = gain.as_integer_ratio()
    return Fraction(numerator * share.numerator, denominator * share.denominator * WHOLE.numerator)


def risk_of(trade: Trade) -> Decimal | None:
    """The distance from the entry to the stop at the fill, in price, above zero; None without one."""
    risk = None if trade.first_stop is None else trade.gain(trade.first_stop).copy_negate()
    return risk if risk is not None and risk > 0 else None


def r_of(trade: Trade, price: Decimal) -> Decimal | None:
    """The gain at `price` in R, rounded to 18 decimals; None without an initial stop."""
    return None if (risk := risk_of(trade)) is None else quotient(trade.gain(price), risk)


def result_of(trade: Trade) -> Result | None:
    """The result of a closed trade; None while it is live, and if nobody knows its last price."""
    if trade.state is not TradeState.CLOSED or trade.open_share > 0:
        return None
    return Result(trade)

"""Opens signals for hooks, and changes the signals that a hook opened."""

from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from signalpost.delivery.outbox.book import FindTrades
from signalpost.domain.change import Change, Close, CloseReason, Fill, Flag, Reopen, Update
from signalpost.domain.instrument import Instrument
from signalpost.domain.order import OrderKind
from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.domain.tier import UserTier
from signalpost.domain.trade import Trade, TradeState
from signalpost.errors import InvalidValue, shown
from signalpost.ingest.send_options import SendOptions

if TYPE_CHECKING:
    from signalpost.web.service_api import ServiceApi

_MOST_LIVE = 1000
"""How many live signals of one pair are looked at."""
_MOST_READ = 100
"""How many of the newest signals of a pair are searched for one that has ended."""
_UNFILLED = frozenset({TradeState.CANCELLED, TradeState.EXPIRED})
_TRIES = 5
"""How many times a change is tried if other changes come first."""

IsOwn = Callable[[Trade], bool]
"""True if a request may be about this trade."""


class HookChange(NamedTuple):
    """A request to change the newest live signal that fits it."""

    key: str
    """Equal for repeats of the same request."""
    name: str
    """The signal's name in the request, for errors."""
    pair: Instrument
    is_own: IsOwn
    change_of: Callable[[Trade], Change]
    """The change, which may depend on the trade's present state."""
    is_every: bool = False
    """Change the newest open one and the earlier ones of its side, up to the last open one of the other side."""
    is_entry_of: Callable[[Trade], bool] = lambda _: False
    """True if the request may be the exit from the position that this trade reversed."""


class HookSignals:
    """Opens and changes signals. Its methods raise StoreFailed if the store is unavailable."""

    def __init__(self, service: "ServiceApi") -> None:
        self._service = service

    async def open(self, signal: Signal, options: SendOptions, is_own: IsOwn, tiers: frozenset[UserTier]) -> Ticket:
        """Accept a new signal. It closes, at its price, the signals that it reverses: older ones of the other side."""
        if signal.order is not OrderKind.MARKET:
            return await self._service.take(signal, options, tiers)
        old = _reversed(await self._live(signal.pair, is_own, tiers), signal)
        closes = next((trade.number for trade in old if {*options.each_tier} <= {*trade.tiers}), None)
        ticket = await self._service.take(signal, options, tiers, closes)
        if ticket.outcome is Outcome.REFUSED:
            return ticket
        live = await self._live(signal.pair, is_own, tiers)
        new = next((trade for trade in live if trade.signal.signal_id == signal.signal_id), None)
        if new is None:
            found = await self._service.trades(FindTrades(name=signal.signal_id, exact=True, tiers=tiers))
            # A signal that a filter stopped was never live, but it still ends the trade that it reverses.
            new = next((each.trade for each in found if Flag.UNPUBLISHED in each.trade.flags), None)
        if new is None:  # a repeat of one that has ended since
            return ticket
        reversal = Close(price=signal.entry_price, reason=CloseReason.REVERSED)
        for trade in _reversed([each for each in live if each.number < new.number], signal):
            closed = await self._changed(trade, lambda _: reversal, None, tiers)
            if closed.cause is Refusal.STORE:  # the repeat of the request will close it
                return closed
        return ticket

    async def take(
        self, wanted: HookChange | None, signal: Signal | None, options: SendOptions, tiers: frozenset[UserTier]
    ) -> Ticket | None:
        """Make the change, if there is one. If no signal is found for it, accept the new signal, if there is one."""
        ticket = None if wanted is None else await self.change(wanted, tiers)
        if signal is not None and (ticket is None or ticket.cause is Refusal.UNKNOWN_SIGNAL):
            return await self._service.take(signal, options, tiers)
        return ticket

    async def is_not_open(self, wanted: HookChange | None, tiers: frozenset[UserTier]) -> bool:
        """True if the signal to change is not filled yet, or has ended."""
        return wanted is not None and any(
            each.state is not TradeState.OPEN for each in await self._matching(wanted, tiers)
        )

    async def change(self, wanted: HookChange, tiers: frozenset[UserTier]) -> Ticket:
        """Make the change. Refused as `unknown-signal` if the request fits no signal."""
        tickets: list[Ticket] = []
        for trade in await self._matching(wanted, tiers):
            key = None if tickets else wanted.key
            tickets.append(await self._changed(trade, wanted.change_of, key, tiers))
            if tickets[-1].outcome is not Outcome.ACCEPTED:
                break
        if not tickets:
            reason = f"no signal of this token matches {shown(wanted.name)}"
            return Ticket(Outcome.REFUSED, "", reason, Refusal.UNKNOWN_SIGNAL)
        return tickets[0]

    async def _matching(self, wanted: HookChange, tiers: frozenset[UserTier]) -> Sequence[Trade]:
        live = await self._live(wanted.pair, wanted.is_own, tiers)
        held = _position(live)
        if not live or wanted.is_entry_of(held[0]):
            found = await self._service.trades(FindTrades(pair=wanted.pair, tiers=tiers, limit=_MOST_READ))
            own = [entry.trade for entry in found if wanted.is_own(entry.trade)]
            if not live:  # a repeat, or too late
                return own[:1]
            if before := [each for each in own if _is_reversed_by(each, held[0])]:
                return before[:1]
        return held if wanted.is_every else live[:1]

    async def _live(self, pair: Instrument, is_own: IsOwn, tiers: frozenset[UserTier]) -> list[Trade]:
        """The live trades, by candle and then by acceptance, the newest first."""
        found = await self._service.trades(FindTrades(pair=pair, only_live=True, tiers=tiers, limit=_MOST_LIVE))
        own = [entry.trade for entry in found if is_own(entry.trade)]
        return sorted(own, key=lambda trade: (trade.signal.timestamp, trade.number), reverse=True)

    async def _changed(
        self, trade: Trade, change_of: Callable[[Trade], Change], key: str | None, tiers: frozenset[UserTier]
    ) -> Ticket:
        """Change the trade. If another change must come first, make that one too."""
        name = trade.signal.signal_id
        for _ in range(_TRIES):
            try:
                change = change_of(trade)
            except InvalidValue as fault:  # such as a part that is too small
                return Ticket(Outcome.REFUSED, "", f"{name} cannot change: {fault}", Refusal.NOT_POSSIBLE)
            ticket = await self._service.amend(name, change, trade.version, tiers, key)
            if ticket.cause is Refusal.NOT_POSSIBLE:
                if (first := _needed_first(trade, change)) is None:
                    return _reversed_before(trade, change) or ticket
                made = await self._service.amend(name, first, trade.version, tiers)
                if made.outcome is Outcome.REFUSED and made.cause is not Refusal.STALE_VERSION:
                    return made
            elif ticket.cause is not Refusal.STALE_VERSION:
                return ticket
            found = await self._service.trades(FindTrades(name=name, exact=True, tiers=tiers))
            trade = next((entry.trade for entry in found), trade)
        return ticket


def id_prefix(token: str) -> str:
    """The beginning of the ids of all signals that a token's hook opens."""
    return f"{token}:"


def _reversed(live: Iterable[Trade], signal: Signal) -> Sequence[Trade]:
    """The open trades that a new signal reverses: those of the other side since the last one of its own side."""
    older = (each for each in live if each.signal.timestamp <= signal.timestamp and each.state is TradeState.OPEN)
    return list(takewhile(lambda each: each.signal.signal_type is not signal.signal_type, older))


def _position(live: Sequence[Trade]) -> Sequence[Trade]:
    """The newest open trade, and the live ones of its side since the last open one of the other side.

    If none is open, the newest order counts. Waiting orders of the other side do not count.
    """
    newest = next((each for each in live if each.state is TradeState.OPEN), live[0] if live else None)

    def is_of_side(trade: Trade) -> bool:
        return newest is not None and trade.signal.signal_type is newest.signal.signal_type

    return list(takewhile(is_of_side, (each for each in live if is_of_side(each) or each.state is TradeState.OPEN)))


def _needed_first(trade: Trade, change: Change) -> Change | None:
    """The change that must come before `change`; None if there is none.

    Only a position can be closed, so a waiting order is filled first. An order that was filled cannot have been
    cancelled or expired, so it is reopened first.
    """
    is_exit = isinstance(change, Close) or (isinstance(change, Update) and change.close_part is not None)
    if is_exit and trade.state is TradeState.PENDING:
        return Fill(price=trade.entry)
    return Reopen() if isinstance(change, Fill) and trade.state in _UNFILLED else None


def _is_reversed_by(trade: Trade, new: Trade) -> bool:
    """True if `new` reverses `trade`, which is older, and is either open or was closed by a reversal."""
    is_over = trade.state is TradeState.OPEN or trade.end_reason is CloseReason.REVERSED
    return is_over and trade.number < new.number and trade.signal.signal_type is not new.signal.signal_type


def _reversed_before(trade: Trade, change: Change) -> Ticket | None:
    """The answer to an exit from a position that a reversal has already closed. Reversals can overtake exits."""
    if not isinstance(change, Close) or trade.end_reason is not CloseReason.REVERSED:
        return None
    name = trade.signal.signal_id
    return Ticket(Outcome.SUPPRESSED, "", f"{name} was closed already, by the signal that reversed it", signal_id=name)

"""Which changes a trade can have in its present state. Pure."""

from collections.abc import Collection
from datetime import datetime

from signalpost.domain.order import OrderKind
from signalpost.domain.signal import Signal
from signalpost.domain.trade import Trade, TradeState

_NOTE = "a note"


def possible_changes(trade: Trade, now: datetime, verbs: Collection[str] | None = None) -> tuple[str, ...]:
    """The verbs that can change `trade` at `now`.

    If the caller may use only some verbs, pass these as `verbs`. `a note` is listed if only the note can be updated.
    """
    is_over = order_over(trade.signal, trade.state, now) is not None
    is_pending, is_open = trade.state is TradeState.PENDING and not is_over, trade.state is TradeState.OPEN
    before = None if trade.end is None else trade.end.before
    rules = {
        "fill": is_pending or (is_open and trade.fill is None and not trade.parts),
        "update": is_pending or is_open,
        "close": is_open,
        "cancel": trade.state is TradeState.PENDING,
        "correct": (is_pending or is_open) and can_correct(trade),
        "reopen": before is not None and order_over(trade.signal, before.state, now) is None,
        _NOTE: is_over or not trade.state.is_live,
    }
    has = {*rules} if verbs is None else {*verbs, _NOTE}
    return tuple(verb for verb, is_possible in rules.items() if is_possible and verb in has)


def order_over(signal: Signal, state: TradeState, now: datetime) -> datetime | None:
    """When the order of a trade in this state expired; None if it has not, or if the trade is not pending."""
    until = signal.good_until if state is TradeState.PENDING else None
    return until if until is not None and until <= now else None


def can_correct(trade: Trade) -> bool:
    """Whether nothing but corrections has changed a live trade since it was opened."""
    was_entered = trade.fill is not None and trade.signal.order is not OrderKind.MARKET  # a market order fills at once
    is_as_opened = (trade.stop, trade.targets) == (trade.signal.stop_loss, trade.signal.targets)
    have_levels_moved = trade.levels_at is not None and not (trade.corrections and is_as_opened)
    return not (was_entered or trade.parts or trade.withdrawn or have_levels_moved)

"""The rules by which a trade changes. Pure. A change without effect returns the same trade, and is a duplicate."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NoReturn

import msgspec

from signalpost.domain.change import (
    ALL,
    CancelOrder,
    Change,
    Close,
    CloseReason,
    Correct,
    ExpireOrder,
    Fill,
    Flag,
    NotePrice,
    Reopen,
    Revise,
    Update,
)
from signalpost.domain.context import NO_CONTEXT, Context
from signalpost.domain.exact import rounded
from signalpost.domain.instant import iso
from signalpost.domain.order import OrderKind
from signalpost.domain.possible import can_correct, order_over
from signalpost.domain.signal import Signal
from signalpost.domain.target import MOST_TARGETS, Target
from signalpost.domain.tier import UserTier
from signalpost.domain.trade import Before, End, Filled, News, Part, PriceNote, Trade, TradeState
from signalpost.errors import InvalidValue, NotPossible

_CLOCKS_DIFFER = timedelta(minutes=1)
"""How far a change may lie from now, because clocks differ. A feed's change may also lie in the past."""


def opened(
    signal: Signal, number: int, tiers: Sequence[UserTier], now: datetime, context: Context = NO_CONTEXT
) -> Trade:
    """The trade of a new signal: pending for a limit or stop order, otherwise open."""
    is_pending = signal.order is not OrderKind.MARKET
    return Trade(
        signal=signal,
        number=number,
        state=TradeState.PENDING if is_pending else TradeState.OPEN,
        tiers=tuple(tiers),
        opened_at=now,
        changed_at=now,
        first_stop=signal.stop_loss,  # what readers see first decides R, wherever the stop was before
        stop=signal.stop_loss,
        targets=signal.targets,
        context=context,
    )


def after(trade: Trade, change: Change, now: datetime) -> Trade:
    """The trade after `change`, accepted at `now`; the same object if it changes nothing. Raises NotPossible."""
    if change == trade.last_change:
        return trade
    changed = _changed(trade, change, max(now, trade.last_at) if change.at is None else change.at, now)
    if changed == trade:
        return trade
    if change.at is not None:
        _check_time(trade, change.at, now, from_feed=change.from_feed)
    for flag in change.flags if change.from_feed else ():
        changed = _flagged(changed, flag)
    if changed.stop != trade.stop:
        is_correction = isinstance(change, Correct)  # a corrected stop counts from the beginning
        changed = changed.but(levels_at=now, stop_moved_at=None if is_correction else now)
    elif changed.targets != trade.targets:
        changed = changed.but(levels_at=now)
    if changed.end is not None and changed.end is not trade.end:
        before = Before(trade.state, len(trade.parts), trade.hits, trade.news, trade.flags)
        changed = changed.but(end=msgspec.structs.replace(changed.end, before=before))
    changed_at = max(now, trade.changed_at)  # two processes may commit in another order than they read the clock
    return changed.but(version=trade.version + 1, changed_at=changed_at, last_change=change)


def _changed(trade: Trade, change: Change, at: datetime, now: datetime) -> Trade:
    until = order_over(trade.signal, trade.state, now)
    needs_order = isinstance(change, Fill | Correct) or (isinstance(change, Update) and not change.is_note)
    if until is not None and needs_order and not change.from_feed:
        _refuse(trade, f"its order was good until {iso(until)}", "good_until", iso(now), iso(until))
    try:
        return _RULES[type(change)](trade, change, at)
    except InvalidValue as fault:  # such as a price that this instrument cannot have
        first = fault.errors[0]
        _refuse(trade, first.text, first.field or "", first.value, first.limit)


def _check_time(trade: Trade, at: datetime, now: datetime, *, from_feed: bool) -> None:
    """Refuse a time before the last fill or part, or too far from now. A feed's time may be far in the past."""
    first = trade.last_at if from_feed else max(trade.last_at, now - _CLOCKS_DIFFER)
    if not first <= at <= now + _CLOCKS_DIFFER:
        why = f"its time, {iso(at)}, is not between {iso(first)} and {iso(now)}"
        _refuse(trade, why, "at", iso(at), f"{iso(first)} to {iso(now)}")


def _fill(trade: Trade, change: Fill, at: datetime) -> Trade:
    _need(trade, "fill", TradeState.PENDING, TradeState.OPEN)
    trade.signal.pair.check_price(change.price, "price")
    if trade.fill is not None:
        if change.price == trade.fill.price and change.at in (None, trade.fill.at):
            return trade
        _refuse(trade, f"it was already filled at {trade.fill.price}", "price", str(change.price))
    if trade.parts:
        _refuse(trade, "part of it is closed, so its fill cannot change", "price", str(change.price))
    is_pending = trade.state is TradeState.PENDING
    filled = trade.but(
        fill=Filled(change.price, at),
        state=TradeState.OPEN,
        first_stop=_stop_at(trade, change.at) if is_pending else trade.first_stop,  # a market order's is known before
        news=News.FILLED if is_pending else trade.news,
    )
    if filled.first_stop is not None and filled.gain(filled.first_stop) >= 0:
        why = f"the fill {change.price} is not on the winning side of its stop, {filled.first_stop}"
        _refuse(trade, why, "price", str(change.price), str(filled.first_stop))
    is_typed = not change.from_feed and change.price != trade.signal.entry_price
    return _flagged(filled, Flag.REPORTED) if is_typed else filled


def _stop_at(trade: Trade, at: datetime | None) -> Decimal | None:
    """The stop that was in force at that time; None is now. A feed may report a fill after the stop was moved."""
    is_moved_since = at is not None and trade.stop_moved_at is not None and trade.stop_moved_at > at
    return trade.stop_was if is_moved_since else trade.stop


def _update(trade: Trade, change: Update, at: datetime) -> Trade:
    if not change.is_note:
        _need(trade, "update", TradeState.PENDING, TradeState.OPEN)
    changed = trade if change.note is None else trade.but(note=change.note)
    if change.targets or change.take_profit is not None:
        changed = _with_targets(changed, change)
    news = None
    for is_wanted, rule in (
        (change.target_hit is not None, _target_hit),
        (change.close_part is not None and change.target_hit is None, _part_closed),
        (change.stop_loss is not None or change.stop_at_entry, _stop_moved),  # last: a hit target may allow it
    ):
        if is_wanted and changed.state.is_live:  # a trade that has ended has no stop to move
            step = rule(changed, change, at)
            news = news or (step.news if step is not changed else None)
            changed = step
    return changed if news is None or changed.news is News.ENDED else changed.but(news=news)


def _with_targets(trade: Trade, change: Update) -> Trade:
    ahead = change.targets
    if change.take_profit is not None:
        later = ahead[1:] or trade.targets[trade.hits + 1 :]
        share = next((target.share for target in ahead or trade.targets[trade.hits :]), None)
        ahead = (Target(price=change.take_profit, share=share), *later)
    targets = (*trade.targets[: trade.hits], *ahead)
    _check_targets(trade, targets)
    return trade.but(targets=targets)


def _target_hit(trade: Trade, change: Update, at: datetime) -> Trade:
    _need_open(trade, "target_hit")
    number, most = change.target_hit or 0, len(trade.targets)
    if number > most:
        why = f"it has {most} {'target' if most == 1 else 'targets'}"
        _refuse(trade, why, "target_hit", str(number), f"1 to {most}")
    if number <= trade.hits:
        return trade
    if change.close_part is not None and number != trade.hits + 1:
        _refuse(trade, f"target {trade.hits + 1} comes first", "target_hit", str(number), str(trade.hits + 1))
    prices = [target.price for target in trade.targets[trade.hits : number]]
    shares = list(trade.shares[: len(prices)])
    if change.price is not None:
        prices[-1] = _winning(trade, change.price)
    if change.close_part is not None:
        shares[-1] = _open_part(trade, change.close_part)
    parts = [
        Part(share, price, at, each, is_reported=not (change.from_feed or _is_opening_target(trade, price)))
        for each, share, price in zip(range(trade.hits + 1, number + 1), shares, prices, strict=True)
    ]
    hit = trade.but(hits=number, parts=(*trade.parts, *parts), news=News.TARGET)
    hit = _flagged(hit, Flag.REPORTED) if any(part.is_reported for part in parts) else hit
    return hit if hit.open_share > 0 else _ended(hit, End(at, CloseReason.TARGET, prices[-1]))


def _part_closed(trade: Trade, change: Update, at: datetime) -> Trade:
    _need_open(trade, "close_part")
    share, price = Fraction(change.close_part or 0), change.price or Decimal(0)
    trade.signal.pair.check_price(price, "price")
    if any((part.share, part.price, part.at) == (share, price, change.at) for part in trade.parts):
        return trade
    part = Part(_open_part(trade, share), price, at, is_reported=not change.from_feed)
    closed = trade.but(parts=(*trade.parts, part), news=News.PART)
    closed = _flagged(closed, Flag.REPORTED) if part.is_reported else closed
    return closed if closed.open_share > 0 else _ended(closed, End(at, CloseReason.MANUAL, price))


def _open_part(trade: Trade, share: Decimal | Fraction) -> Fraction:
    if share > trade.open_share:
        most = f"{rounded(trade.open_share)}%"
        _refuse(trade, f"only {most} is open", "close_part", str(rounded(Fraction(share))), most)
    return Fraction(share)


def _winning(trade: Trade, price: Decimal) -> Decimal:
    trade.signal.pair.check_price(price, "price")
    if trade.gain(price) <= 0:
        _refuse(trade, f"a target at {price} would not be a gain", "price", str(price), str(trade.entry))
    return price


def _stop_moved(trade: Trade, change: Update, _: datetime) -> Trade:
    stop = trade.entry if change.stop_loss is None else change.stop_loss
    if stop == trade.stop:
        return trade
    _check_stop(trade, stop)
    first = stop if trade.state is TradeState.PENDING else trade.first_stop
    return trade.but(stop=stop, stop_was=trade.stop, first_stop=first, news=News.STOP)


def _close(trade: Trade, change: Close, at: datetime) -> Trade:
    if trade.state is TradeState.CLOSED and trade.end is not None:
        is_same = change.reason is trade.end.reason and change.price in (None, trade.end.price)
        if is_same and change.at in (None, trade.end.at):
            return trade
    _need(trade, "close", TradeState.OPEN)
    trade = trade if change.note is None else trade.but(note=change.note)
    if change.reason is CloseReason.TIME:
        if not change.from_feed:
            _refuse(trade, "only the service may use the reason time: use another reason", "reason", "time")
        return _flagged(_ended(trade, End(at, CloseReason.TIME)), Flag.NOT_FOLLOWED)
    price = _end_price(trade, change)
    if change.reason is CloseReason.TARGET:
        trade = _targets_up_to(trade, price, at)
    if trade.state is TradeState.CLOSED:
        return trade
    part = Part(trade.open_share, price, at, is_reported=not (change.from_feed or _is_known(trade, change, price)))
    closed = trade.but(parts=(*trade.parts, part))
    closed = _flagged(closed, Flag.REPORTED) if part.is_reported else closed
    return _ended(closed, End(at, change.reason, price))


def _end_price(trade: Trade, change: Close) -> Decimal:
    last_target = trade.targets[-1].price if trade.hits < len(trade.targets) else None
    usual = {CloseReason.STOP: trade.stop, CloseReason.TARGET: last_target}.get(change.reason)
    price = usual if change.price is None else change.price
    if price is None:
        _refuse(trade, "the price at which it was closed is missing: add it", "price")
    trade.signal.pair.check_price(price, "price")
    if not (change.from_feed or trade.can_end_by(change.reason, price)):
        _refuse(trade, f"{price} does not match its {change.reason}: use the reason manual", "price", str(price))
    return price


def _targets_up_to(trade: Trade, price: Decimal, at: datetime) -> Trade:
    """The trade after the hit of every target that `price` reached."""
    number = sum(trade.gain(target.price) <= trade.gain(price) for target in trade.targets)
    return trade if number <= trade.hits else _target_hit(trade, Update(target_hit=number), at)


def _is_known(trade: Trade, change: Close, price: Decimal) -> bool:
    """Whether the opening named the price of the end, or the stop moved to the entry."""
    if change.reason is CloseReason.TARGET:
        return _is_opening_target(trade, price)
    # Only a close at the stop may omit the price here.
    return change.price is None and trade.stop in (trade.first_stop, trade.entry, trade.signal.entry_price)


def _is_opening_target(trade: Trade, price: Decimal) -> bool:
    return any(target.price == price for target in trade.signal.targets)


def _cancel(trade: Trade, change: CancelOrder, at: datetime) -> Trade:
    if trade.state is TradeState.CANCELLED and trade.end is not None and change.reason in (None, trade.end.text):
        return trade
    # If the market opened beyond its levels, a market order was never filled either.
    has_gapped = change.from_feed and Flag.GAPPED in change.flags and trade.fill is None and not trade.parts
    _need(trade, "cancel", TradeState.PENDING, *((TradeState.OPEN,) if has_gapped else ()))
    return _ended(trade, End(at, text=change.reason), TradeState.CANCELLED)


def _expire(trade: Trade, _: ExpireOrder, at: datetime) -> Trade:
    if trade.state is TradeState.EXPIRED:
        return trade
    _need(trade, "expire", TradeState.PENDING)
    return _ended(trade, End(at), TradeState.EXPIRED)


def _correct(trade: Trade, change: Correct, _: datetime) -> Trade:
    _need(trade, "correct", TradeState.PENDING, TradeState.OPEN)
    wanted = {"entry_price": change.entry_price, "stop_loss": change.stop_loss, "targets": change.targets}
    wrong = {name: value for name, value in wanted.items() if value not in (None, (), getattr(trade.signal, name))}
    if not wrong:
        return trade
    if not can_correct(trade):
        _refuse(trade, "it can be corrected only before any other change", "correct")
    was = Correct(**{name: getattr(trade.signal, name) for name in wrong})
    if change.targets:
        wrong["take_profit"] = change.targets[0].price
    signal = trade.signal.but(**wrong, initial_stop=None)
    corrected = trade.but(
        signal=signal,
        first_stop=signal.stop_loss,
        stop=signal.stop_loss,
        targets=signal.targets,
        corrections=(*trade.corrections, was),
    )
    if signal.stop_loss is not None:  # the signal checked its levels by the planned entry, not by the fill
        _check_stop(corrected, signal.stop_loss)
    _check_targets(corrected, change.targets)
    return _flagged(corrected, Flag.CORRECTED)


def _reopen(trade: Trade, _: Reopen, now: datetime) -> Trade:
    if trade.end is None or (before := trade.end.before) is None:
        _refuse(trade, f"it is {trade.state}", "reopen", trade.state.value)
    if (until := order_over(trade.signal, before.state, now)) is not None:
        _refuse(trade, f"its order was good until {iso(until)}", "reopen", iso(now), iso(until))
    reopened = trade.but(
        state=before.state,
        parts=trade.parts[: before.parts],
        hits=before.hits,
        news=before.news,
        flags=before.flags,
        end=None,
        withdrawn=(*trade.withdrawn, trade.end),
    )
    return _flagged(reopened, Flag.REOPENED)


def _price_noted(trade: Trade, change: NotePrice, at: datetime) -> Trade:
    _need_open(trade, "price")
    return trade.but(price_note=PriceNote(change.level, change.price, at))


def _ended(trade: Trade, end: End, state: TradeState = TradeState.CLOSED) -> Trade:
    return trade.but(state=state, end=end, news=News.ENDED)


def _flagged(trade: Trade, flag: Flag) -> Trade:
    return trade if flag in trade.flags else trade.but(flags=(*trade.flags, flag))


def _check_stop(trade: Trade, stop: Decimal) -> None:
    """A stop must lie before the next target. The stop that defines R must also be on the losing side of the entry."""
    trade.signal.pair.check_price(stop, "stop_loss")
    ahead = trade.targets[trade.hits :]
    if ahead and trade.gain(stop) >= trade.gain(ahead[0].price):
        why = f"the stop must be before its next target, {ahead[0].price}"
        _refuse(trade, why, "stop_loss", str(stop), str(ahead[0].price))
    if (trade.state is TradeState.PENDING or stop == trade.first_stop) and trade.gain(stop) >= 0:
        why = f"the stop must be on the losing side of its entry, {trade.entry}"
        _refuse(trade, why, "stop_loss", str(stop), str(trade.entry))


def _check_targets(trade: Trade, targets: Sequence[Target]) -> None:
    """Each target that is not hit lies beyond the entry, the current stop and the targets before it."""
    reached = Decimal(0) if trade.stop is None else max(Decimal(0), trade.gain(trade.stop))
    for number, target in enumerate(targets, start=1):
        trade.signal.pair.check_price(target.price, "targets")
        gain = trade.gain(target.price)
        if number > trade.hits and gain <= reached:
            why = f"target {number} is not beyond entry, stop and earlier targets"
            _refuse(trade, why, "targets", str(target.price))
        reached = max(reached, gain)
    if len(targets) > MOST_TARGETS:
        _refuse(trade, f"it would have {len(targets)} targets", "targets", str(len(targets)), str(MOST_TARGETS))
    if sum(target.share or 0 for target in targets) > ALL:
        _refuse(trade, "the shares of its targets exceed 100%", "targets", limit="100")


def _need(trade: Trade, verb: str, *states: TradeState) -> None:
    if trade.state not in states:
        _refuse(trade, f"it is {trade.state}", verb, trade.state.value, ", ".join(states))


def _need_open(trade: Trade, field: str) -> None:
    if trade.state is not TradeState.OPEN:
        _refuse(trade, "it is not filled yet", field, trade.state.value, TradeState.OPEN.value)


def _refuse(trade: Trade, why: str, field: str, value: str | None = None, limit: str | None = None) -> NoReturn:
    text = f"{trade.signal.signal_id} was not changed: {why}"
    raise NotPossible(text, code="not-possible", field=field, value=value, limit=limit)


_RULES: Mapping[type[Any], Callable[[Trade, Any, datetime], Trade]] = {
    Fill: _fill,
    Update: _update,
    Close: _close,
    CancelOrder: _cancel,
    ExpireOrder: _expire,
    Correct: _correct,
    Reopen: _reopen,
    NotePrice: _price_noted,
    Revise: lambda trade, *_: _flagged(trade, Flag.REVISED),
}

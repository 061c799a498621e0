"""The rules by which a trade changes. Pure: the same changes give the same trade, whatever the clock says.

A change is compared with the present state: one that changes nothing gives the same trade, and is a duplicate.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NoReturn

import msgspec

from signalpost.domain.change import (
    ALL,
    Cancel,
    Change,
    Close,
    CloseReason,
    Correct,
    Expire,
    Fill,
    Flag,
    Reopen,
    Revise,
    Update,
)
from signalpost.domain.exact import plain, rounded
from signalpost.domain.instant import iso
from signalpost.domain.order import OrderKind
from signalpost.domain.signal import Signal
from signalpost.domain.target import Target
from signalpost.domain.tier import UserTier
from signalpost.domain.trade import End, Filled, News, Part, Trade, TradeState
from signalpost.errors import NotPossible

_MOST_AHEAD = timedelta(minutes=1)
"""How far in the future a change may lie, because clocks differ."""

_POSSIBLE = {
    TradeState.PENDING: "fill, update, cancel, expire, correct",
    TradeState.OPEN: "fill, update, close, correct",
    TradeState.CLOSED: "reopen",
    TradeState.CANCELLED: "reopen",
    TradeState.EXPIRED: "reopen",
}


def opened(signal: Signal, number: int, tiers: Sequence[UserTier], now: datetime) -> Trade:
    """The trade of a new signal: pending for a limit or stop order, otherwise open."""
    is_pending = signal.order is not OrderKind.MARKET
    return Trade(
        signal=signal,
        number=number,
        state=TradeState.PENDING if is_pending else TradeState.OPEN,
        tiers=tuple(tiers),
        opened_at=now,
        changed_at=now,
        first_stop=signal.stop_loss if signal.initial_stop is None else signal.initial_stop,
        stop=signal.stop_loss,
        targets=signal.targets,
    )


def after(trade: Trade, change: Change, now: datetime) -> Trade:
    """The trade after `change`, accepted at `now`; the same object if it changes nothing. Raises NotPossible."""
    if change == trade.last_change:
        return trade
    changed = _RULES[type(change)](trade, change, _time_of(trade, change, now))
    if changed == trade:
        return trade
    for flag in getattr(change, "flags", ()):
        changed = _flagged(changed, flag)
    if (changed.stop, changed.targets) != (trade.stop, trade.targets):
        changed = changed.but(levels_at=now)
    return changed.but(version=trade.version + 1, changed_at=now, last_change=change)


def _time_of(trade: Trade, change: Change, now: datetime) -> datetime:
    at: datetime | None = getattr(change, "at", None)
    if at is None:
        return now
    if not trade.signal.known_at <= at <= now + _MOST_AHEAD:
        raise NotPossible(
            f"at is {iso(at)}: use a time from {iso(trade.signal.known_at)}, when the signal was known, until now",
            code="not-possible",
            field="at",
            value=iso(at),
            limit=f"{iso(trade.signal.known_at)} to {iso(now)}",
        )
    return at


def _fill(trade: Trade, change: Fill, at: datetime) -> Trade:
    _need(trade, "fill", TradeState.PENDING, TradeState.OPEN)
    trade.signal.pair.check_price(change.price, "price")
    if trade.fill is not None:
        if change.price == trade.fill.price and change.at in (None, trade.fill.at):
            return trade
        _refuse(trade, f"it was filled at {trade.fill.price} already", "price", str(change.price))
    has_changed = trade.state is TradeState.OPEN and (trade.parts or trade.stop_was is not None)
    if has_changed and not change.from_feed:
        _refuse(trade, "it has changed since it was opened, so its R cannot be counted anew", "price")
    news = News.FILLED if trade.state is TradeState.PENDING else trade.news
    was_moved_before = trade.stop_was is not None and trade.levels_at is not None and trade.levels_at <= at
    first = trade.stop if was_moved_before else trade.first_stop
    return trade.but(fill=Filled(change.price, at), state=TradeState.OPEN, first_stop=first, news=news)


def _update(trade: Trade, change: Update, at: datetime) -> Trade:
    _need(trade, "update", TradeState.PENDING, TradeState.OPEN)
    changed = trade if change.note is None else trade.but(note=change.note)
    if change.targets or change.take_profit is not None:
        changed = _with_targets(changed, change)
    news = None
    for is_wanted, rule in (
        (change.target_hit is not None, _target_hit),
        (change.close_part is not None, _part_closed),
        (change.stop_loss is not None or change.stop_at_entry, _stop_moved),  # where a target that was hit allows it
    ):
        if is_wanted and changed.state.is_live:  # a stop of what has ended says nothing
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
        _refuse(trade, f"it has {most} targets", "target_hit", str(number), f"1 to {most}")
    if number <= trade.hits:
        return trade
    prices = [target.price for target in trade.targets[trade.hits : number]]
    is_typed = change.price is not None and change.close_part is None  # else it is the price of the part
    if is_typed and change.price is not None:
        trade.signal.pair.check_price(change.price, "price")
        prices[-1] = change.price
    hits = range(trade.hits + 1, number + 1)
    parts = [
        Part(share, price, at, each, is_reported=is_typed and each == number)
        for each, share, price in zip(hits, trade.shares, prices, strict=False)
    ]
    hit = trade.but(hits=number, parts=(*trade.parts, *parts), news=News.TARGET)
    hit = _flagged(hit, Flag.REPORTED) if is_typed else hit
    return hit if hit.open_share > 0 else _ended(hit, End(at, CloseReason.TARGET, prices[-1]), trade)


def _part_closed(trade: Trade, change: Update, at: datetime) -> Trade:
    _need_open(trade, "close_part")
    share, price = Fraction(change.close_part or 0), change.price or Decimal(0)
    trade.signal.pair.check_price(price, "price")
    if share > trade.open_share:
        _refuse(trade, f"only {_percent(trade)} is open", "close_part", str(change.close_part), _percent(trade))
    parts = (*trade.parts, Part(share, price, at, is_reported=True))
    closed = _flagged(trade.but(parts=parts, news=News.PART), Flag.REPORTED)
    return closed if closed.open_share > 0 else _ended(closed, End(at, CloseReason.MANUAL, price), trade)


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
    if change.reason is CloseReason.TIME:
        return _flagged(_ended(trade, End(at, CloseReason.TIME), trade), Flag.NOT_FOLLOWED)
    hit, price = trade, change.price
    if price is None and change.reason is CloseReason.TARGET and trade.hits < len(trade.targets):
        hit, price = _target_hit(trade, Update(target_hit=len(trade.targets)), at), trade.targets[-1].price
    if price is None and change.reason is CloseReason.STOP:
        price = trade.stop
    if price is None:
        _refuse(trade, "give the price at which it was closed", "price")
    trade.signal.pair.check_price(price, "price")
    if hit.state is TradeState.CLOSED:
        return hit
    is_typed = change.price is not None and not change.from_feed
    closed = hit.but(parts=(*hit.parts, Part(hit.open_share, price, at, is_reported=is_typed)))
    closed = _flagged(closed, Flag.REPORTED) if is_typed else closed
    return _ended(closed, End(at, change.reason, price), trade)


def _cancel(trade: Trade, change: Cancel, at: datetime) -> Trade:
    if trade.state is TradeState.CANCELLED and trade.end is not None and change.reason in (None, trade.end.text):
        return trade
    has_gapped = Flag.GAPPED in change.flags and trade.fill is None and not trade.parts  # a market entry too
    _need(trade, "cancel", TradeState.PENDING, *((TradeState.OPEN,) if has_gapped else ()))
    return _ended(trade, End(at, text=change.reason), trade, TradeState.CANCELLED)


def _expire(trade: Trade, _: Expire, at: datetime) -> Trade:
    if trade.state is TradeState.EXPIRED:
        return trade
    _need(trade, "expire", TradeState.PENDING)
    return _ended(trade, End(at), trade, TradeState.EXPIRED)


def _correct(trade: Trade, change: Correct, _: datetime) -> Trade:
    _need(trade, "correct", TradeState.PENDING, TradeState.OPEN)
    wanted = {"entry_price": change.entry_price, "stop_loss": change.stop_loss, "targets": change.targets}
    wrong = {name: value for name, value in wanted.items() if value and value != getattr(trade.signal, name)}
    if not wrong:
        return trade
    if trade.fill is not None or trade.parts or trade.stop_was is not None:
        _refuse(trade, "it has changed since it was opened, so its opening cannot be corrected", "correct")
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
    return _flagged(corrected, Flag.CORRECTED)


def _reopen(trade: Trade, _: Reopen, __: datetime) -> Trade:
    if (end := trade.end) is None:
        _refuse(trade, f"it is {trade.state}", "reopen", trade.state.value)
    was_open = trade.state is TradeState.CLOSED or trade.signal.order is OrderKind.MARKET
    reopened = trade.but(
        state=TradeState.OPEN if was_open else TradeState.PENDING,
        parts=trade.parts[: end.parts_before],
        hits=end.hits_before,
        end=None,
        news=end.news_before,
        flags=tuple(flag for flag in trade.flags if flag is not Flag.NOT_FOLLOWED),
    )
    return _flagged(reopened, Flag.REOPENED)


def _revise(trade: Trade, _: Revise, __: datetime) -> Trade:
    return _flagged(trade, Flag.REVISED)


def _ended(trade: Trade, end: End, before: Trade, state: TradeState = TradeState.CLOSED) -> Trade:
    end = msgspec.structs.replace(end, parts_before=len(before.parts), hits_before=before.hits, news_before=before.news)
    return trade.but(state=state, end=end, news=News.ENDED)


def _flagged(trade: Trade, flag: Flag) -> Trade:
    return trade if flag in trade.flags else trade.but(flags=(*trade.flags, flag))


def _check_stop(trade: Trade, stop: Decimal) -> None:
    """A stop may lie anywhere before the next target; before the fill only on the losing side of the entry."""
    trade.signal.pair.check_price(stop, "stop_loss")
    ahead = trade.targets[trade.hits :]
    if ahead and trade.gain(stop) >= trade.gain(ahead[0].price):
        _refuse(trade, f"its next target is {ahead[0].price}", "stop_loss", str(stop), str(ahead[0].price))
    if trade.state is TradeState.PENDING and trade.gain(stop) >= 0:
        _refuse(trade, f"its entry is {trade.entry}", "stop_loss", str(stop), str(trade.entry))


def _check_targets(trade: Trade, targets: Sequence[Target]) -> None:
    """Each target that is not hit lies beyond the entry, the stop in force and the targets before it."""
    reached = Fraction(0) if trade.stop is None else max(Fraction(0), trade.gain(trade.stop))
    for number, target in enumerate(targets, start=1):
        trade.signal.pair.check_price(target.price, "targets")
        gain = trade.gain(target.price)
        if number > trade.hits and gain <= reached:
            _refuse(
                trade, f"target {number} is not beyond entry, stop and earlier targets", "targets", str(target.price)
            )
        reached = max(reached, gain)
    if sum(target.share or 0 for target in targets) > ALL:
        _refuse(trade, "the shares of its targets exceed 100%", "targets", limit="100")


def _need(trade: Trade, verb: str, *states: TradeState) -> None:
    if trade.state not in states:
        _refuse(trade, f"it is {trade.state}", verb, trade.state.value, ", ".join(states))


def _need_open(trade: Trade, field: str) -> None:
    if trade.state is not TradeState.OPEN:
        _refuse(trade, "it is not filled yet", field, trade.state.value, TradeState.OPEN.value)


def _percent(trade: Trade) -> str:
    return f"{plain(rounded(trade.open_share))}%"


def _refuse(trade: Trade, why: str, field: str, value: str | None = None, limit: str | None = None) -> NoReturn:
    raise NotPossible(
        f"{trade.signal.signal_id} cannot change this way: {why}. Possible now: {_POSSIBLE[trade.state]}",
        code="not-possible",
        field=field,
        value=value,
        limit=limit,
    )


_RULES: Mapping[type[Any], Callable[[Trade, Any, datetime], Trade]] = {
    Fill: _fill,
    Update: _update,
    Close: _close,
    Cancel: _cancel,
    Expire: _expire,
    Correct: _correct,
    Reopen: _reopen,
    Revise: _revise,
}

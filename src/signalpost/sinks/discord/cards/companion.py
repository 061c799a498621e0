"""Companions: short messages on what readers must not miss, because an edit of a card notifies nobody."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import msgspec

from signalpost.domain.change import CloseReason, Flag
from signalpost.domain.order import OrderKind
from signalpost.domain.trade import End, News, Part, Result, Trade, TradeState, result_of
from signalpost.sinks.discord import limits
from signalpost.sinks.discord.cards.body import mention, post
from signalpost.sinks.discord.cards.look import Event, Look, Sending
from signalpost.sinks.discord.cards.state import gap_in
from signalpost.sinks.discord.cards.table import exit_part
from signalpost.sinks.discord.cards.ticket import repeat_mark
from signalpost.sinks.discord.cards.view import MessageLink, View
from signalpost.sinks.discord.cards.wording import (
    DOT,
    HEADLINE,
    SHORTEST_NAME,
    duration_text,
    gained,
    number_text,
    packed,
    price_text,
    replay_mark,
    share_text,
    ticket_symbol,
)
from signalpost.sinks.discord.escape import cut

_MOST_LINES = 50
"""Lines without links that are sure to fit in one message."""
_LOUDEST = (Sending.ON, Sending.SILENT, Sending.OFF)


class Step(msgspec.Struct, frozen=True):
    """The news of a trade since readers were last notified: one change, or several that belong together."""

    before: Trade
    after: Trade
    card: MessageLink | None = None
    """The card in this destination; None if no link to it is known."""


class _News(msgspec.Struct, frozen=True):
    """A companion's text about one event of a step."""

    event: Event
    text: str
    is_order: bool = False
    """Whether the text asks readers to act."""


def companion(steps: Sequence[Step], look: Look, view: View) -> dict[str, Any] | None:
    """The body of one message on all `steps`, one for each trade; None if there is nothing to send.

    Nothing is sent to a tier that gets less than others, or later, and nothing that the operator turned off. A role is
    pinged only if readers have to act. The message of a replay is silent.
    """
    if view.is_copy:
        return None
    found = [(step, tuple(_news(step))) for step in steps]
    news = [(step, each) for step, each in found if each and _sending(each, look) is not Sending.OFF]
    if not news:
        return None
    is_silent = view.is_replay or all(_sending(each, look) is Sending.SILENT for _, each in news)
    role = None if is_silent else _role([each for _, each in news], look, view)
    content = _single(*news[0], view, role) if len(news) == 1 else _several(news, view, role)
    return post(look, content, role=role, is_silent=is_silent)


def has_news(step: Step) -> bool:
    """Whether a step has anything to report. It has nothing if a change was undone before readers were notified."""
    return any(True for _ in _news(step))


def headline_of(trade: Trade, view: View) -> str:
    """The first line of a message on the present state of `trade`: `TP1 HIT · EURUSD #1042 · +0.50R`."""
    event = _end_event(trade) if trade.end is not None else _EVENT_BY_NEWS[trade.news]
    return _headline(event, trade, view)


def _sending(news: Sequence[_News], look: Look) -> Sending:
    return min((look.sending(each.event) for each in news), key=_LOUDEST.index)


def _role(found: Sequence[Sequence[_News]], look: Look, view: View) -> str | None:
    """The first role that an instruction pings. In a message about several trades, an expired order pings nobody."""
    orders = [each for news in found for each in news if each.is_order]
    asking = [each.event for each in orders if len(found) == 1 or each.event is not Event.EXPIRED]
    return next((role for event in asking if (role := look.role(view.tier, event)) is not None), None)


def _single(step: Step, news: Sequence[_News], view: View, role: str | None) -> list[str]:
    main, *others = news
    orders = [each for each in others if each.is_order and each.event is not Event.REVISED]
    is_moved = any(each.event is Event.STOP for each in orders)
    facts = [] if is_moved and not main.is_order else [main.text]  # the instruction to move the stop is enough
    revised = [each.text for each in others if each.event is Event.REVISED]
    headline = _headline(main.event, step.after, view, _tail(main.event, step))
    lines = [headline, *facts, *(each.text for each in orders), *revised]
    number = number_text(step.after, view)
    link = "" if step.card is None else f"[Card {number}]({step.card.url})"
    return [*lines, *repeat_mark(step.after, view), " ".join(filter(None, (link, mention(role))))]


def _several(news: Sequence[tuple[Step, Sequence[_News]]], view: View, role: str | None) -> list[str]:
    """A count, and a line for each trade. If the message would be too long, links go, the last ones first."""
    first = _count([number_text(step.after, view) for step, _ in news], view)
    last = [f"+{len(news) - _MOST_LINES} more"] if len(news) > _MOST_LINES else []
    listed = news[:_MOST_LINES]
    plain = [_line(step, each[0].event, view, has_link=False) for step, each in listed]
    linked = [_line(step, each[0].event, view, has_link=True) for step, each in listed]
    messages = ([first, *linked[:at], *plain[at:], *last, mention(role)] for at in range(len(listed), -1, -1))
    return next(each for each in messages if len("\n".join(each)) <= limits.CONTENT)


def _count(numbers: Sequence[str], view: View) -> str:
    before = f"{replay_mark(view)}{len(numbers)} UPDATES"
    for shown in range(len(numbers), 0, -1):
        more = [f"+{len(numbers) - shown}"] if shown < len(numbers) else []
        if len(line := f"{before}{DOT}{' '.join((*numbers[:shown], *more))}") <= HEADLINE:
            return line
    return before


def _line(step: Step, event: Event, view: View, *, has_link: bool) -> str:
    number = number_text(step.after, view)
    tail = _tail(event, step) or _result(event, step.after, view)
    before, name, tail = _fitted(f"{_word(event, step.after)}{DOT}", step.after, number, tail)
    shown = f"[{number}]({step.card.url})" if has_link and step.card else number
    return f"{before}{name} {shown}{tail}"


def _headline(event: Event, trade: Trade, view: View, revision: str = "") -> str:
    before = f"{replay_mark(view)}{_word(event, trade)}{DOT}"
    tail = ", never filled" if event is Event.EXPIRED else revision or _result(event, trade, view)
    number = number_text(trade, view)
    before, name, tail = _fitted(before, trade, number, tail, cuts_name=not view.is_replay)
    return f"{before}{name} {number}{tail}"


def _fitted(before: str, trade: Trade, number: str, tail: str, *, cuts_name: bool = True) -> tuple[str, str, str]:
    """The parts of a headline around `number`. If it is too long, the name is cut a little, or else the tail goes."""
    symbol = ticket_symbol(trade.signal.pair)
    room = HEADLINE - len(before) - len(number) - len(tail) - 1
    if room < (min(len(symbol), SHORTEST_NAME) if cuts_name else len(symbol)):
        room, tail = room + len(tail), ""
    return before, cut(symbol, max(2, room)), tail


def _tail(event: Event, step: Step) -> str:
    return _revision(step) if event is Event.REVISED else ""


def _word(event: Event, trade: Trade) -> str:
    return f"TP{trade.hits} HIT" if event is Event.TARGET else _WORD_BY_EVENT.get(event, event.name)


def _result(event: Event, trade: Trade, view: View) -> str:
    """The gain so far, if the event brought one."""
    result = Result(trade) if trade.state.is_live else result_of(trade)
    if event not in _WITH_RESULT or result is None or view.hides_levels(trade):
        return ""
    return f"{DOT}{gained(result)}"


def _news(step: Step) -> Iterator[_News]:
    """The events of a step, most important first. After an end nothing else matters."""
    before, after = step.before, step.after
    if after.end is not None:
        if after.end != before.end:
            yield _end_news(after, after.end)
        return
    if before.end is None:
        if after.hits > before.hits:
            yield _News(Event.TARGET, _target_text(step))
        parts = [part for part in after.parts[len(before.parts) :] if part.target is None]
        if parts:
            yield _News(Event.PART, _part_text(after, parts), is_order=True)
        if (order := _stop_order(step)) and not _is_corrected(step):
            yield _News(Event.STOP, order, is_order=True)
        if after.state is not before.state:
            stop = "" if after.stop is None else f" SL {price_text(after, after.stop)}."
            yield _News(Event.FILLED, f"In at {price_text(after, after.entry)}.{stop}")
    if _revision(step):
        yield _News(Event.REVISED, _revision_text(step), is_order=_is_corrected(step) and bool(_stop_order(step)))


def _end_event(trade: Trade) -> Event:
    if trade.state is TradeState.CANCELLED:
        return Event.CANCELLED
    if trade.state is TradeState.EXPIRED:
        return Event.EXPIRED
    return _EVENT_BY_REASON.get(trade.end_reason, Event.CLOSED)


def _end_news(trade: Trade, end: End) -> _News:
    event = _end_event(trade)
    if event in {Event.CANCELLED, Event.EXPIRED}:
        is_pending = trade.signal.order is not OrderKind.MARKET
        gap = gap_in(trade)
        text = "Delete the pending order." if is_pending else f"{gap[:1].upper()}{gap[1:]}: no trade."
        return _News(event, text, is_order=is_pending)
    if result_of(trade) is None:
        return _News(event, "Not followed: no result.")
    last = trade.parts[-1]
    if event is Event.CLOSED_BY_HAND:
        return _News(event, f"Close all at {price_text(trade, last.price)}.", is_order=True)
    if event is Event.REVERSED:
        return _News(event, "Out at the new signal's entry.")
    all_hit = event is Event.CLOSED and trade.hits == len(trade.targets) and exit_part(trade) is None
    out = "All targets hit." if all_hit else f"Out at {price_text(trade, last.price)}."
    return _News(event, f"{out} Open {duration_text(end.at - trade.entered_at)}.")


def _target_text(step: Step) -> str:
    before, after = step.before, step.after
    hit = [part for part in after.parts[len(before.parts) :] if part.target is not None]
    share = share_text(sum((part.share for part in hit), Fraction(0)))
    where = f" at {price_text(after, hit[0].price)}" if len(hit) == 1 else ""
    return f"{share} closed{where}, {share_text(after.open_share)} runs."


def _part_text(trade: Trade, parts: Sequence[Part]) -> str:
    shares: dict[str, Fraction] = {}
    for part in parts:
        price = price_text(trade, part.price)
        shares[price] = shares.get(price, Fraction(0)) + part.share
    return " ".join(f"Close {share_text(share)} at {price}." for price, share in shares.items())


def _stop_order(step: Step) -> str:
    """The instruction to move the stop; empty if it has not moved."""
    trade = step.after
    if trade.stop == step.before.stop or trade.stop is None:
        return ""
    return f"Move SL to {price_text(trade, trade.stop)}{' (entry)' if trade.stop == trade.entry else ''}."


def _is_corrected(step: Step) -> bool:
    return len(step.after.corrections) > len(step.before.corrections)


def _revision(step: Step) -> str:
    """The end of a headline that says what was taken back or moved; empty if nothing was."""
    before, after = step.before, step.after
    if before.end is not None:
        return " reopened"
    if Flag.REVISED in after.flags and Flag.REVISED not in before.flags:
        return " revised"
    if _is_corrected(step):
        return " corrected"
    return ", targets moved" if after.targets != before.targets else ""


def _revision_text(step: Step) -> str:
    word = _revision(step).strip(", ")
    if word in _TEXT_BY_WORD:
        return _TEXT_BY_WORD[word]
    trade = step.after
    has_moved = trade.targets != step.before.targets
    is_entry = trade.signal.entry_price != step.before.signal.entry_price
    levels = [f"Entry {price_text(trade, trade.entry)}"] if is_entry else []
    ahead = list(enumerate(trade.targets[trade.hits :], trade.hits + 1)) if has_moved else []
    levels += [f"TP{number} {price_text(trade, target.price)}" for number, target in ahead]
    order = [_stop_order(step)] if _is_corrected(step) else []
    return "\n".join((*filter(None, order), *packed(levels, HEADLINE, " ")))


_WITH_RESULT = frozenset({Event.TARGET, Event.PART, Event.CLOSED, Event.CLOSED_BY_HAND, Event.STOPPED, Event.REVERSED})
_WORD_BY_EVENT = {
    Event.STOP: "SL MOVED",
    Event.PART: "PART CLOSED",
    Event.CLOSED_BY_HAND: "CLOSED",
    Event.REVISED: "INFO",
}
"""The other events are shown by their name."""
_EVENT_BY_NEWS = {
    News.FILLED: Event.FILLED,
    News.TARGET: Event.TARGET,
    News.STOP: Event.STOP,
    News.PART: Event.PART,
}
_EVENT_BY_REASON: dict[CloseReason | None, Event] = {
    CloseReason.MANUAL: Event.CLOSED_BY_HAND,
    CloseReason.STOP: Event.STOPPED,
    CloseReason.REVERSED: Event.REVERSED,
}
_TEXT_BY_WORD = {
    "revised": "The candle was corrected: the cross is gone.",
    "reopened": "The close was a mistake: it is open again.",
}

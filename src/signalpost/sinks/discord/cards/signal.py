"""The card of a trade: a new signal, edited to each later state."""

from decimal import Decimal
from enum import IntEnum
from typing import Any

from signalpost.domain.change import Flag
from signalpost.domain.distance import PERCENT
from signalpost.domain.exact import plain, ratio_text
from signalpost.domain.identity import short_id
from signalpost.domain.sessions import open_sessions
from signalpost.domain.side import SignalType
from signalpost.domain.signal import Signal
from signalpost.domain.tier import Hidden
from signalpost.domain.trade import Trade, TradeState
from signalpost.sinks.discord import limits
from signalpost.sinks.discord.cards.body import edit, embed, footer, mention, post
from signalpost.sinks.discord.cards.companion import headline_of
from signalpost.sinks.discord.cards.look import Event, Look
from signalpost.sinks.discord.cards.state import (
    colour_of,
    fill_lines,
    first_line,
    is_new,
    mark_lines,
    pending_line,
    price_lines,
    small_lines,
    state_text,
    time_lines,
)
from signalpost.sinks.discord.cards.table import MOST_TARGETS, more_targets, table
from signalpost.sinks.discord.cards.ticket import order_text, ticket
from signalpost.sinks.discord.cards.view import CHART_FILE, View
from signalpost.sinks.discord.cards.wording import (
    DATA_LINE,
    DOT,
    HEADLINE,
    NOTE,
    SHORTEST_NAME,
    SMALL_LINE,
    card_text,
    context_texts,
    duration_text,
    headline,
    is_perpetual,
    name_of,
    number_text,
    packed,
    prefixed,
    price_text,
    replay_mark,
    risk_text,
    small,
    small_facts,
    ticket_symbol,
    until_text,
)
from signalpost.sinks.discord.escape import escaped

_CHANGED = frozenset({Flag.CORRECTED, Flag.REVISED, Flag.REOPENED})
_HUNDREDTH = Decimal("0.01")
_TITLE = 30
_EMBED = 900
_FEWEST_TARGETS = 3


class _Cut(IntEnum):
    """The parts that a card drops, in this order, until it is short enough."""

    NOTHING = 0
    CONTEXT = 1
    NOTE = 2
    SESSIONS = 3
    CONFIDENCE = 4
    STRATEGY = 5
    TARGETS = 6
    """Those beyond the third."""


_CUTS = tuple(_Cut)


def signal_card(trade: Trade, look: Look, view: View) -> dict[str, Any]:
    """The body of the message that shows `trade` in its present state.

    A first message has a content: the ticket of a new signal, otherwise a headline. An edit takes the ticket out,
    except if it only adds a chart, a note or the fill of a market order: then the content stays.
    """
    embeds = [_card(trade, look, view)]
    attachments = _attachments(trade, view)
    if view.is_edit:
        return edit(None if is_new(trade) and _is_as_opened(trade) else "", embeds, attachments)
    is_live_signal = is_new(trade) and not (view.is_replay or view.is_copy or view.is_replacement)
    role = look.role(view.tier, Event.NEW) if is_live_signal else None
    return post(look, [*_content(trade, look, view), mention(role)], embeds, role=role, attachments=attachments)


def event_card(trade: Trade, event: str, look: Look, view: View) -> dict[str, Any]:
    """The body of a message on an event of a trade that is not in the signal book. Nobody should enter by it.

    It says more than its name only to readers who get everything at once.
    """
    name = f"{ticket_symbol(trade.signal.pair)} {number_text(trade, view)}"
    facts = [*_levels(trade, view, _Cut.NOTHING), *_own_lines(trade, look, view, _Cut.NOTHING)]
    made = embed(
        [] if view.is_copy else facts,
        colour_of(trade, view, look.colours),
        trade.signal.known_at,
        footer(look, number_text(trade, view), marks=view.marks),
        name_of(trade.signal.pair),
    )
    return post(look, [prefixed("INFO", f"{name}: {escaped(event, NOTE)}", view)], [made])


def _is_as_opened(trade: Trade) -> bool:
    """True if the ticket of a new signal still holds."""
    signal = trade.signal
    return _CHANGED.isdisjoint(trade.flags) and (trade.stop, trade.targets) == (signal.stop_loss, signal.targets)


def _content(trade: Trade, look: Look, view: View) -> list[str]:
    signal = trade.signal
    if view.is_replay:
        return [_stream_headline(replay_mark(view), signal, ", not live")]
    if not is_new(trade):
        return [headline_of(trade, view)]
    if view.is_copy:
        late = f", {duration_text(view.delay)} late" if view.delay else ""
        return [_stream_headline("FREE COPY · ", signal, late)]
    if view.is_replacement:  # a program would take a second ticket for a second trade
        return []
    return ticket(trade, view, look.ticket)


def _stream_headline(before: str, signal: Signal, after: str) -> str:
    """A headline with symbol and timeframe. If it is too long, the timeframe is dropped, then the symbol is cut."""
    symbol = ticket_symbol(signal.pair)
    line = f"{before}{symbol}{'' if signal.timeframe is None else f' {signal.timeframe}'}{after}"
    return line if len(line) <= HEADLINE else headline(before, symbol, after)


def _card(trade: Trade, look: Look, view: View) -> dict[str, Any]:
    """The embed, with as much as its limit permits."""
    for left_out in _CUTS:
        made = _embed(trade, look, view, left_out)
        if limits.size(made) <= _EMBED:
            break
    return made


def _embed(trade: Trade, look: Look, view: View, left_out: _Cut) -> dict[str, Any]:
    lines = _opening(trade, view, left_out) if is_new(trade) else _later(trade, view, left_out)
    lines += _own_lines(trade, look, view, left_out)
    title, name = _title(trade, view), name_of(trade.signal.pair)
    if name not in title:  # the title had no room for it
        lines = [name, *lines]
    identity = short_id(trade.signal.signal_id, view.run)
    made = embed(
        lines,
        colour_of(trade, view, look.colours),
        trade.signal.known_at,
        footer(look, number_text(trade, view), identity if trade.number else "", view.marks),
        title,
    )
    if _shows_chart(trade, view):
        made["image"] = {"url": f"attachment://{CHART_FILE}"}
    return made


def _title(trade: Trade, view: View) -> str:
    signal = trade.signal
    before = replay_mark(view) + ("▲ " if signal.signal_type is SignalType.BUY else "▼ ")
    name = name_of(signal.pair)
    if not is_new(trade):
        state = state_text(trade, view)
        has_room = len(before) + min(len(name), SHORTEST_NAME) + len(DOT) + len(state) <= _TITLE
        return headline(before, name, f"{DOT}{state}", _TITLE) if has_room else headline(before, state, "", _TITLE)
    before += f"{order_text(signal)} "
    with_kind = f"{name} perp" if is_perpetual(signal.pair) else name
    timeframe = "" if signal.timeframe is None else f"{DOT}{signal.timeframe}"
    for title in (f"{before}{with_kind}{timeframe}", f"{before}{with_kind}"):
        if len(title) <= _TITLE:
            return title
    return headline(before, name, "", _TITLE)


def _opening(trade: Trade, view: View, left_out: _Cut) -> list[str]:
    is_filled = trade.fill is not None and not view.hides_levels(trade)
    return [
        *([f"**Closes {card_text(view.closes)} first**"] if view.closes else []),
        *(fill_lines(trade) if is_filled else []),
        *_levels(trade, view, left_out),
        *_zone(trade),
        *_warning(trade, view),
        *_validity(trade, view),
        *price_lines(trade, view),
        *mark_lines(trade, view),
        *_facts(trade, view, left_out),
    ]


def _later(trade: Trade, view: View, left_out: _Cut) -> list[str]:
    return [
        *first_line(trade, view),
        *_levels(trade, view, left_out),
        *time_lines(trade, view),
        *price_lines(trade, view),
        *mark_lines(trade, view),
        *small_lines(trade, view),
    ]


def _levels(trade: Trade, view: View, left_out: _Cut) -> list[str]:
    most = _FEWEST_TARGETS if left_out >= _Cut.TARGETS else MOST_TARGETS
    return [*table(trade, view, most), *more_targets(trade, view, most)]


def _zone(trade: Trade) -> list[str]:
    zone = trade.signal.entry_zone
    if zone is None or trade.fill is not None:
        return []
    ends = (f"Entry zone {price_text(trade, zone.low)}", f"to {price_text(trade, zone.high)}")
    return packed(ends, DATA_LINE, " ")


def _warning(trade: Trade, view: View) -> list[str]:
    if trade.stop is not None:
        return ["No stop shown: do not enter without one."] if view.hides(Hidden.STOP, trade) else []
    if trade.targets:
        return ["No stop: set your own first."]
    return ["No stop, no target: set your own first."]


def _validity(trade: Trade, view: View) -> list[str]:
    if view.is_replay:
        return ["From the past: not a live signal."]
    if view.hides(Hidden.STOP, trade):  # nobody should enter by this card
        return []
    if trade.state is TradeState.PENDING:
        return [pending_line(trade, view)]
    released = trade.signal.known_at + view.delay
    return [f"Enter by {until_text(trade.signal.valid_until + view.delay, released)}"]


def _facts(trade: Trade, view: View, left_out: _Cut) -> list[str]:
    signal = trade.signal
    first = [f"Sent {duration_text(view.delay)} after {escaped(view.full_tier, SMALL_LINE)}"] if view.delay else []
    if not view.hides(Hidden.STOP, trade) and (risk := risk_text(trade)):
        first.append(risk)
    if signal.strategy_name is not None and left_out < _Cut.STRATEGY:
        first.append(escaped(signal.strategy_name, SMALL_LINE))
    kind = signal.pair.asset_class
    has_sessions = kind is not None and kind.has_sessions and left_out < _Cut.SESSIONS
    sessions = open_sessions(signal.known_at) if has_sessions else ()
    second = [" + ".join(sessions)] if sessions else []
    if signal.confidence_score is not None and left_out < _Cut.CONFIDENCE:
        second.append(f"confidence {ratio_text(signal.confidence_score, _HUNDREDTH, 0).lstrip('+')}%")
    if signal.risk_percent is not None and left_out < _Cut.CONFIDENCE:
        second.append(f"risk {plain(signal.risk_percent)}{PERCENT}")
    return [*small_facts(first), *small_facts(second)]


def _own_lines(trade: Trade, look: Look, view: View, left_out: _Cut) -> list[str]:
    """The words of the strategy, the caller and the operator. They may name a hidden level."""
    lines: list[str] = []
    note = trade.signal.notes if is_new(trade) and trade.note is None else trade.note
    is_current = trade.state.is_live or note == getattr(trade.last_change, "note", None)  # an older note is outdated
    if note and note.strip() and is_current and left_out < _Cut.NOTE and not view.hides_levels(trade):
        lines += small(escaped(note, NOTE))
    if is_new(trade) and left_out < _Cut.CONTEXT and not view.hides_levels(trade):
        lines += small_facts(context_texts(view))
    if look.producer.strip():
        lines += small(escaped(f"By {look.producer}", NOTE))
    if look.disclaimer_on_signals:
        lines += small(escaped(look.disclaimer, SMALL_LINE))
    return lines


def _shows_chart(trade: Trade, view: View) -> bool:
    """True if a chart, new or kept, is not hidden and has the right levels. Discord finds a kept one by name."""
    has_chart = view.chart is not None or view.keeps_chart is True
    return has_chart and not view.hides(Hidden.CHART, trade) and Flag.CORRECTED not in trade.flags


def _attachments(trade: Trade, view: View) -> list[dict[str, Any]] | None:
    """The files of the message from now on; None if they stay as they are."""
    if not _shows_chart(trade, view):
        return None if view.keeps_chart is False else []
    if view.chart is None:
        return None
    return [{"id": 0, "filename": CHART_FILE, "description": view.chart.text}]

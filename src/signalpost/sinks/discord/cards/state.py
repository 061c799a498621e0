"""The words of a trade's card: its state, the first line, the time and the small lines."""

from collections.abc import Iterator
from datetime import datetime

from signalpost.domain.change import CloseReason, Correct, Flag
from signalpost.domain.exact import plain
from signalpost.domain.side import SignalType
from signalpost.domain.tier import Hidden
from signalpost.domain.trade import WHOLE, End, News, Part, Result, Trade, TradeState, Verdict, result_of, risk_of
from signalpost.sinks.discord.cards.look import Colours
from signalpost.sinks.discord.cards.table import exit_part
from signalpost.sinks.discord.cards.view import View
from signalpost.sinks.discord.cards.wording import (
    DATA_LINE,
    NOTE,
    SMALL_LINE,
    at_risk,
    card_text,
    day_and_time,
    duration_text,
    gained,
    gains,
    moved_text,
    packed,
    price_text,
    risk_text,
    share_text,
    slippage_text,
    small,
    small_facts,
    tag,
    until_text,
)
from signalpost.sinks.discord.escape import escaped

_NO_TRADE = (TradeState.CANCELLED, TradeState.EXPIRED)


def is_new(trade: Trade) -> bool:
    """True if nothing has happened to `trade` since its opening."""
    return trade.state.is_live and trade.news is News.OPENED


def state_text(trade: Trade, view: View) -> str:
    """The state of a trade after its opening, as its title says it: `TP1 HIT`, `CLOSED +1.35R`."""
    word = _state_word(trade, view)
    return word if (result := result_of(trade)) is None else f"{word} {gained(result)}"


def _state_word(trade: Trade, view: View) -> str:
    if trade.state in _NO_TRADE:
        return trade.state.name
    if trade.end is not None:
        return _WORD_BY_REASON.get(trade.end.reason, "CLOSED")
    match trade.news:
        case News.TARGET:
            return f"TP{trade.hits} HIT"
        case News.PART:
            return f"{share_text(trade.parts[-1].share)} CLOSED"
        case News.STOP:
            is_at_entry = trade.stop == trade.entry and not view.hides_levels(trade)
            return "SL AT ENTRY" if is_at_entry else "SL MOVED"
        case _:
            return "FILLED"


def colour_of(trade: Trade, view: View, colours: Colours) -> int:
    """The colour for the side of a live trade or the result of an ended one; grey if it has none, or in a replay."""
    if view.is_replay or trade.state in _NO_TRADE:
        return colours.grey
    if trade.end is None:
        return colours.blue if trade.signal.signal_type is SignalType.BUY else colours.orange
    result = result_of(trade)
    if result is None or result.verdict is Verdict.BREAK_EVEN:
        return colours.grey
    return colours.green if result.verdict is Verdict.WIN else colours.red


def first_line(trade: Trade, view: View) -> list[str]:
    """The latest change, in bold."""
    if view.hides_levels(trade):
        return [f"**Details in {escaped(view.full_tier, DATA_LINE)}**"]
    if trade.state in _NO_TRADE:
        return [f"**No trade** · {gap_in(trade) or 'delete the pending order'}"]
    if (result := result_of(trade)) is not None:
        first, *others = gains(result)
        return packed([f"**{first}**", *others], DATA_LINE)
    if trade.end is not None:
        return [_banked(trade, "not followed")] if trade.parts else []
    return _live_lines(trade)


def _live_lines(trade: Trade) -> list[str]:
    match trade.news:
        case News.TARGET | News.PART:
            return [_banked(trade, "open")]
        case News.STOP if trade.stop is not None:
            was = [] if trade.stop_was is None else [f"was {price_text(trade, trade.stop_was)}"]
            return packed([f"**SL {price_text(trade, trade.stop)}**", *was], DATA_LINE)
        case _:
            return fill_lines(trade)


def fill_lines(trade: Trade) -> list[str]:
    """The price of the fill, and how much better or worse than planned it is."""
    filled = f"**Filled at {price_text(trade, trade.entry)}**"
    return packed(filter(None, [filled, slippage_text(trade)]), DATA_LINE)


def _banked(trade: Trade, rest: str) -> str:
    return f"**{gained(Result(trade))} banked** · {share_text(trade.open_share)} {rest}"


def time_lines(trade: Trade, view: View) -> list[str]:
    """How long the trade has been open, or was open."""
    side = "Long" if trade.signal.signal_type is SignalType.BUY else "Short"
    if trade.end is not None:
        return [*_ended(trade, trade.end, view, side), *_closed_by(trade, view)]
    if trade.state is TradeState.PENDING:
        return [pending_line(trade, view)]
    facts = [f"{side}, opened {_moment(trade.entered_at, view)}"]
    if trade.news is not News.STOP or view.hides_levels(trade):
        return facts
    if trade.open_share < WHOLE:
        facts.append(f"{share_text(trade.open_share)} open")
    banked = [f"{gained(Result(trade))} banked"] if trade.parts else []
    return [*packed(facts, DATA_LINE), *packed([*banked, *filter(None, [at_risk(trade)])], DATA_LINE)]


def price_lines(trade: Trade, view: View) -> list[str]:
    """The latest price note of an open trade, small."""
    note = trade.price_note
    if note is None or note.stopped_for is not None or trade.state is not TradeState.OPEN or view.hides_levels(trade):
        return []
    return small(f"{moved_text(trade, note.price)} at {price_text(trade, note.price)}, {_moment(note.at, view)}")


def pending_line(trade: Trade, view: View) -> str:
    """Until when a pending order is good."""
    until = trade.signal.good_until or trade.signal.valid_until
    shown = day_and_time(until) if view.is_replay else until_text(until, trade.signal.known_at)
    return f"Good until {shown}"


def _moment(instant: datetime, view: View) -> str:
    return day_and_time(instant) if view.is_replay else tag(instant, "R")


def _ended(trade: Trade, end: End, view: View, side: str) -> list[str]:
    if trade.state is TradeState.CANCELLED:
        return [f"Cancelled {_moment(end.at, view)}, never filled"]
    if trade.state is TradeState.EXPIRED:
        waited = duration_text(end.at - trade.signal.known_at)
        return packed([f"Price did not reach {price_text(trade, trade.entry)}", f"in {waited}"], DATA_LINE, " ")
    facts = [side, f"open {duration_text(end.at - trade.entered_at)}"]
    if trade.targets and (trade.hits or end.reason is not CloseReason.REVERSED):
        many = "" if len(trade.targets) == 1 else "s"
        facts.append(f"{trade.hits} of {len(trade.targets)} target{many}")
    return packed(facts, DATA_LINE)


def _closed_by(trade: Trade, view: View) -> list[str]:
    if view.closed_by is None:
        return []
    other = "short" if trade.signal.signal_type is SignalType.BUY else "long"
    return [f"Now {other}: {card_text(view.closed_by)}"]


def mark_lines(trade: Trade, view: View) -> list[str]:
    """Small lines on what readers of the record should know."""
    lines = ["Replaces a deleted message"] if view.replaces_deleted else []
    lines += ["Replaces a message that cannot be edited"] if view.replaces_lost else []
    for flag in trade.flags:
        if flag is Flag.REVISED:
            lines.append("Revised: the candle was corrected, the cross is gone")
        elif flag is Flag.CORRECTED:
            lines += _corrections(trade, view)
        elif flag is Flag.REOPENED:
            lines.append("Reopened: the close was a mistake")
    return [line for text in lines for line in small(text)]


def _corrections(trade: Trade, view: View) -> list[str]:
    if view.hides_levels(trade) or not trade.corrections:
        return ["Corrected: a typo"]
    typos = [typo for was in trade.corrections for typo in _typos(trade, was)]
    return [f"Corrected: {typo} was a typo" for typo in dict.fromkeys(typos)]


def _typos(trade: Trade, was: Correct) -> Iterator[str]:
    """The values before a correction that were changed by it."""
    if was.entry_price is not None:
        yield f"entry {price_text(trade, was.entry_price)}"
    if was.stop_loss is not None:
        yield f"SL {price_text(trade, was.stop_loss)}"
    now = [target.price for target in trade.targets]
    for number, target in enumerate(was.targets, 1):
        if target.price not in now:
            yield f"TP{number} {price_text(trade, target.price)}"


def small_lines(trade: Trade, view: View) -> list[str]:
    """Small lines of a later state: how the result came about, and why."""
    if trade.end is None:
        is_fill = trade.news is News.FILLED and not view.hides(Hidden.STOP, trade)
        return small_facts(filter(None, [risk_text(trade) if is_fill else ""]))
    if trade.state in _NO_TRADE:
        reason = None if gap_in(trade) else trade.end.text
        return small(f"Reason: {escaped(reason, NOTE)}") if reason else []
    return [*_shares(trade, view), *(line for text in _remarks(trade) for line in small(text))]


def gap_in(trade: Trade) -> str:
    """How the market jumped over an order that was never filled; empty if it did not."""
    if trade.end is None or Flag.GAPPED not in trade.flags:
        return ""
    return escaped(trade.end.text or "gapped before entry", NOTE)


def _shares(trade: Trade, view: View) -> list[str]:
    if view.delay and view.is_edit:  # a late copy shows the end at once, and all else late
        late = f"{duration_text(view.delay)} after {escaped(view.full_tier, SMALL_LINE)}"
        return small(f"Opening and changes came {late}")
    if len(trade.parts) < 2:
        return []
    facts = [f"{share_text(part.share)} at {_place(trade, part)}" for part in trade.parts]
    if any(part.target is None for part in trade.parts) and trade.end_reason is CloseReason.MANUAL:
        facts.append("by hand")
    return small_facts(facts, ", ")


def _place(trade: Trade, part: Part) -> str:
    """Where a part was closed: at a target, at the stop, or at a price."""
    if part.target is not None and trade.targets[part.target - 1].price == part.price:
        return f"TP{part.target}"
    if part is exit_part(trade) and trade.end_reason is CloseReason.STOP and part.price == trade.stop:
        return "entry" if part.price == trade.entry else "SL"
    return price_text(trade, part.price)


def _remarks(trade: Trade) -> Iterator[str]:
    if result_of(trade) is None:
        yield "Not followed: no result"
    elif risk_of(trade) is None:
        yield "No R: the signal had no stop"
    if Flag.BOTH_TOUCHED in trade.flags:
        yield f"One candle touched SL and TP{min(trade.hits + 1, len(trade.targets))}: counted as the stop"
    if Flag.GAPPED in trade.flags:
        yield "The market opened beyond the level: a gap"
    if Flag.MID_PRICES in trade.flags:
        yield "Followed by mid prices, without bid and ask"
    if trade.signal.leverage is not None and plain(trade.signal.leverage) != 1:
        yield "Per cent of price, without leverage"


_WORD_BY_REASON: dict[CloseReason | None, str] = {
    CloseReason.STOP: "STOPPED",
    CloseReason.REVERSED: "REVERSED",
}

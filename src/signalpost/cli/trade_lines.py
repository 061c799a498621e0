"""Shows the trades of the signal book: a table, a page for one trade, and rows for a spreadsheet."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich.table import Table
from rich.text import Text

from signalpost.cli.tables import COLOUR_BY_SIDE, table
from signalpost.cli.time_format import format_duration, format_time
from signalpost.delivery.outbox.book import BookEntry, CardEntry
from signalpost.delivery.trade_object import described
from signalpost.domain.change import Correct
from signalpost.domain.exact import plain
from signalpost.domain.identity import short_id
from signalpost.domain.instant import iso
from signalpost.domain.target import Target
from signalpost.domain.trade import End, Part, PriceNote, Result, Trade, TradeState, Verdict, result_of
from signalpost.sinks.discord.cards.view import MessageLink
from signalpost.sinks.discord.cards.wording import (
    gained,
    gains,
    moved_text,
    price_text,
    risk_text,
    share_text,
    slippage_text,
)

_COLOUR_BY_VERDICT = {Verdict.WIN: "green", Verdict.LOSS: "red"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""If a cell begins with one of these, a spreadsheet runs it as a formula."""
COLUMNS = (
    *("number", "id", "pair", "side", "timeframe", "strategy", "tiers", "opened_at", "state", "version", "entry"),
    *("stop", "targets", "hits", "fill", "filled_at", "closed", "reason", "closed_at", "r", "pips", "distance", "unit"),
    *("percent", "flags", "links"),
)
"""The columns of `row_of`."""


def trades_table(entries: Iterable[BookEntry], now: datetime) -> Table:
    """One row per trade."""
    right = ("#", "entry", "stop", "hit", "result", "age")
    made = table("Signals", "#", "pair", "side", "tf", "state", *right[1:], right=right, wraps="pair")
    for trade, *_ in entries:
        signal, result = trade.signal, result_of(trade)
        made.add_row(
            str(trade.number),
            str(signal.pair),
            Text(signal.signal_type, style=COLOUR_BY_SIDE[signal.signal_type]),
            str(signal.timeframe or ""),
            Text(trade.state, style="bold" if trade.state.is_live else ""),
            price_text(trade, trade.entry),
            "" if trade.stop is None else price_text(trade, trade.stop),
            f"{trade.hits}/{len(trade.targets)}" if trade.targets else "",
            "" if result is None else Text(gained(result), style=_COLOUR_BY_VERDICT.get(result.verdict, "")),
            format_duration(now - trade.opened_at),
        )
    return made


def link_of(card: CardEntry) -> str | None:
    """The address of the message that shows a card; None if it is not known."""
    message = card.message
    if message is None or message.guild is None or message.channel is None:
        return None
    return MessageLink(message.guild, message.channel, message.message_id).url


def page(entry: BookEntry, now: datetime) -> Iterator[str]:
    """Everything about one trade, for people."""
    trade, signal = entry.trade, entry.trade.signal
    yield f"#{trade.number} {signal.signal_type} {signal.stream}: {trade.state}, version {trade.version}"
    yield f"  id       {signal.signal_id}, short id {short_id(signal.signal_id, entry.run)}"
    yield f"  opened   {format_time(trade.opened_at, now)} for {', '.join(trade.tiers)}"
    if signal.strategy_name is not None:
        yield f"  by       {signal.strategy_name}"
    yield from _levels(trade, now)
    yield from (f"  part     {_part(trade, part, now)}" for part in trade.parts)
    if trade.state.is_live and trade.parts:
        yield f"  banked   {gained(Result(trade))}, {share_text(trade.open_share)} open"
    if trade.end is not None:
        yield f"  end      {_end(trade, trade.end, now)}"
    if (result := result_of(trade)) is not None:
        yield f"  result   {', '.join(gains(result))}: {result.verdict}"
    if (noted := trade.price_note) is not None:
        yield f"  price    {note_text(trade, noted)}, {format_time(noted.at, now)}"
    if trade.note is not None:
        yield f"  note     {trade.note}"
    if trade.flags:
        yield f"  flags    {', '.join(trade.flags)}"
    yield from (f"  was      {_correction(trade, each)} before a correction" for each in trade.corrections)
    yield from (f"  undone   {_end(trade, each, now)}" for each in trade.withdrawn)
    for card in entry.cards:
        yield from _card(card, now)


def _levels(trade: Trade, now: datetime) -> Iterator[str]:
    signal = trade.signal
    order = f", {signal.order.lower()} order" if signal.order.is_pending else ""
    zone = "" if (found := signal.entry_zone) is None else f", zone {_prices(trade, (found.low, found.high), ' to ')}"
    yield f"  entry    {price_text(trade, signal.entry_price)}{order}{zone}"
    if trade.state is TradeState.PENDING and signal.good_until is not None:
        yield f"  good     until {format_time(signal.good_until, now)}"
    if trade.fill is not None:
        slipped = f" ({text})" if (text := slippage_text(trade)) else ""
        yield f"  filled   {price_text(trade, trade.fill.price)}{slipped}, {format_time(trade.fill.at, now)}"
    if trade.stop is not None:
        was = "" if trade.first_stop in {trade.stop, None} else f", first {price_text(trade, trade.first_stop)}"
        risk = f" ({text})" if (text := risk_text(trade)) else ""
        yield f"  stop     {price_text(trade, trade.stop)}{was}{risk}"
    for number, target in enumerate(trade.targets, start=1):
        share = "" if target.share is None else f" for {share_text(target.share)}"
        yield f"  {f'TP{number}':<8} {price_text(trade, target.price)}{share}{', hit' if number <= trade.hits else ''}"


def note_text(trade: Trade, note: PriceNote) -> str:
    """A price note, with the level that caused it, and the rule if one stopped it."""
    came = f"{moved_text(trade, note.price)} at {price_text(trade, note.price)}"
    shown = "" if note.stopped_for is None else f"; not posted: {note.stopped_for}"
    return f"{came}, which reached the level {moved_text(trade, note.level)}{shown}"


def _part(trade: Trade, part: Part, now: datetime) -> str:
    why = "" if part.target is None else f" (TP{part.target})"
    reported = ", reported" if part.is_reported else ""
    return f"{share_text(part.share)} at {price_text(trade, part.price)}{why}, {format_time(part.at, now)}{reported}"


def _end(trade: Trade, end: End, now: datetime) -> str:
    facts = [end.reason or end.text, None if end.price is None else price_text(trade, end.price)]
    return ", ".join([*(each for each in facts if each is not None), format_time(end.at, now)])


def _correction(trade: Trade, was: Correct) -> str:
    entry, stop = (None if price is None else price_text(trade, price) for price in (was.entry_price, was.stop_loss))
    levels = {"entry": entry, "stop": stop, "targets": _prices(trade, (each.price for each in was.targets))}
    return ", ".join(f"{name} {text}" for name, text in levels.items() if text)


def _prices(trade: Trade, prices: Iterable[Decimal], separator: str = " ") -> str:
    return separator.join(price_text(trade, price) for price in prices)


def _card(card: CardEntry, now: datetime) -> Iterator[str]:
    if card.message is None:
        yield f"  card     {card.destination}: not shown"
        return
    since = "" if card.first_shown_at is None else f", first shown {format_time(card.first_shown_at, now)}"
    yield f"  card     {card.destination}: message {card.message.message_id} shows version {card.version}{since}"
    if (link := link_of(card)) is not None:
        yield f"           {link}"


def row_of(entry: BookEntry) -> list[str]:
    """The cells of COLUMNS; an empty one means none. Text from outside never begins like a formula."""
    facts, trade = described(entry), entry.trade
    closed, fill, result = (facts[name] or {} for name in ("closed", "fill", "result"))
    values: list[Any] = [
        *(trade.number, _text(facts["id"]), _text(facts["pair"]), facts["side"], facts["timeframe"]),
        *(_text(facts["strategy"]), " ".join(trade.tiers), iso(trade.opened_at), facts["state"], trade.version),
        *(facts["entry"], facts["stop"], " ".join(map(_target, trade.targets)), trade.hits),
        *(fill.get("price"), fill.get("at"), closed.get("price"), _text(closed.get("reason")), closed.get("at")),
        *(result.get(name) for name in ("r", "pips", "distance", "unit", "percent")),
        *(" ".join(trade.flags), " ".join(filter(None, map(link_of, entry.cards)))),
    ]
    return ["" if value is None else str(value) for value in values]


def _target(target: Target) -> str:
    return f"{plain(target.price):f}" + ("" if target.share is None else f"@{plain(target.share):f}%")


def _text(text: str | None) -> str | None:
    return f"'{text}" if text is not None and text.startswith(_FORMULA) else text

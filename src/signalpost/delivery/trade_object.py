"""A trade of the signal book as plain data for JSON, the same on the command line and over HTTP. Pure."""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from signalpost.delivery.outbox.book import BookEntry, CardEntry
from signalpost.domain.distance import distance_of
from signalpost.domain.exact import plain, rounded
from signalpost.domain.instant import iso
from signalpost.domain.trade import End, Filled, Part, PriceNote, Result, Trade, r_of, result_of


def described(entry: BookEntry) -> dict[str, Any]:
    """`entry` with its prices, shares and results as text, and its times as ISO text ending in `Z`.

    Numbers have no trailing zeros. Derived ones are rounded half to even to 18 decimals. Shares are in per cent.
    """
    trade, signal = entry.trade, entry.trade.signal
    return {
        "id": signal.signal_id,
        "number": trade.number,
        "pair": signal.pair.symbol,
        "side": signal.signal_type.value,
        "timeframe": None if signal.timeframe is None else str(signal.timeframe),
        "strategy": signal.strategy_name,
        "timestamp": iso(signal.timestamp),
        "entry": _text(signal.entry_price),
        "stop": _text(trade.stop),
        "targets": list(_targets(trade)),
        "state": trade.state.value,
        "version": trade.version,
        "tiers": [str(tier) for tier in trade.tiers],
        "closed": None if trade.end is None else _end(trade.end),
        "result": None if (found := result_of(trade)) is None else _result(found),
        "cards": [_card(card) for card in entry.cards],
        "fill": None if trade.fill is None else _fill(trade, trade.fill),
        "parts": [_part(part) for part in trade.parts],
        "flags": [flag.value for flag in trade.flags],
        "price_note": None if trade.price_note is None else _note(trade, trade.price_note),
    }


def _targets(trade: Trade) -> Iterator[dict[str, Any]]:
    for number, target in enumerate(trade.targets, start=1):
        yield {"price": _text(target.price), "share": _text(target.share), "hit": number <= trade.hits}


def _end(end: End) -> dict[str, Any]:
    """The end; for a cancelled order, `reason` is the text that was given."""
    return {
        "price": _text(end.price),
        "reason": end.text if end.reason is None else end.reason.value,
        "at": iso(end.at),
    }


def _result(result: Result) -> dict[str, Any]:
    distance = result.distance
    return {
        "r": _text(result.r),
        "pips": _text(result.pips),
        "distance": _text(distance.amount),
        "unit": distance.unit,
        "percent": _text(result.percent),
    }


def _card(card: CardEntry) -> dict[str, Any]:
    message_id = None if card.message is None else card.message.message_id
    return {"destination": card.destination, "message_id": message_id, "version": card.version}


def _fill(trade: Trade, fill: Filled) -> dict[str, Any]:
    """Slippage is in the instrument's unit, and negative if the fill is worse than the planned entry."""
    plan = trade.signal.entry_price
    slippage = distance_of(trade.signal.pair, trade.gain(plan), plan)
    return {"price": _text(fill.price), "at": iso(fill.at), "slippage": _text(slippage.amount)}


def _note(trade: Trade, note: PriceNote) -> dict[str, Any]:
    """`r` is null without an initial stop; `reason` is null if the note is shown."""
    return {
        "price": _text(note.price),
        "r": _text(r_of(trade, note.price)),
        "level": _text(note.level),
        "at": iso(note.at),
        "rule": None if note.stopped_for is None else note.stopped_for.partition(":")[0],
        "reason": note.stopped_for,
    }


def _part(part: Part) -> dict[str, Any]:
    return {"share": _text(part.share), "price": _text(part.price), "reported": part.is_reported}


def _text(number: Decimal | Fraction | None) -> str | None:
    if number is None:
        return None
    return format(plain(number) if isinstance(number, Decimal) else rounded(number), "f")

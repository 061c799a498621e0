"""Parses TradingView alerts. Pure.

TradingView sends the message that the alert's author wrote, as `application/json` if it is JSON, else as `text/plain`.
It fills in placeholders such as `{{close}}` without quoting, so that a missing number is a bare `NaN`. An alert fails
if it is not answered within 3 seconds; after a 5xx it is repeated after 5 seconds, up to 3 times.
(https://www.tradingview.com/support/solutions/43000529348, read in 2026.)
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from signalpost.domain.instant import compact
from signalpost.domain.instrument import Instrument
from signalpost.domain.sent import unfilled
from signalpost.domain.side import SignalType
from signalpost.domain.signal import Signal
from signalpost.domain.spellings import FoundFields, read_fields
from signalpost.domain.text import shown
from signalpost.domain.tier import UserTier
from signalpost.errors import Fault, InvalidValue
from signalpost.ingest.kinds import SIGNAL
from signalpost.ingest.positions import positions
from signalpost.ingest.send_options import SendOptions, read_options
from signalpost.ingest.templates import Template, pairs_of, shown_text
from signalpost.web.body import json_object
from signalpost.web.problem import not_understood
from signalpost.web.tokens import Token

TEMPLATE = (
    '{"ticker": "{{ticker}}", "interval": "{{interval}}", "action": "buy", "price": "{{close}}", "time": "{{time}}"}'
)
_STRATEGY = "TradingView"
_OWN_NAMES = {
    "pair": "ticker",
    "timeframe": "interval",
    "signal_type": "action",
    "entry_price": "price",
    "timestamp": "time",
}
"""The names of the required fields in TradingView."""
_READ = (
    *("pair", "timeframe", "entry_price", "timestamp", "stop_loss", "take_profit", "targets"),
    *("order", "entry_zone", "good_until", "leverage", "risk_percent"),
    *("confidence_score", "strategy_name", "notes", "signal_id"),
)
_ONLY_OF_ENTRIES = ("stop_loss", "take_profit", "targets", "order", "entry_zone", "good_until")
"""Fields that are meaningless for a close."""
_ACTION = ("action", "order.action", "strategy.order.action", "side", "signal", "direction", "signal_type")
_SIDE_BY_WORD = {
    **dict.fromkeys(("buy", "long", "bullish", "enter_long", "entry_long"), SignalType.BUY),
    **dict.fromkeys(("sell", "short", "bearish", "enter_short", "entry_short"), SignalType.SELL),
}
_CLOSES = ("close", "exit", "flat", "close_all", "exit_all", "close_position")
_CLOSED_SIDE_BY_WORD: dict[str, SignalType | None] = {
    **dict.fromkeys(_CLOSES),
    **dict.fromkeys(("close_long", "exit_long"), SignalType.BUY),
    **dict.fromkeys(("close_short", "exit_short"), SignalType.SELL),
}


class Opened(NamedTuple):
    """A new signal."""

    signal: Signal
    id_name: str | None = None
    """The field in which the alert gave the signal's id; None if it gave none."""


class Closing(NamedTuple):
    """The end of a signal."""

    key: str
    """Equal for repeats of the same request."""
    strategy: str
    pair: Instrument
    timeframe: str
    side: SignalType | None
    """The side of the closed signal; None if the alert does not say."""
    price: Decimal
    at: datetime
    reason: str
    unseen: Signal | None
    """The signal to close if none is remembered; None if the alert has too few facts."""


class Ignored(NamedTuple):
    """A valid alert that is deliberately not sent."""

    reason: str


Parsed = Opened | Closing | Ignored


def read(raw: bytes, token: Token) -> tuple[Parsed, SendOptions]:
    """Parse the alert in `raw`. Raises Problem 400 for invalid JSON, or 422 with all faults."""
    data = Template(_names_and_values(raw))
    options, faults = read_options(data.pairs(), UserTier(token.tier))
    found = read_fields(data.pairs(), SIGNAL.names, _READ).or_else("strategy_name", _STRATEGY)
    found.fields.update({name: str(value) for name, value in found.fields.items() if _is_number_for_text(name, value)})
    given_id = found.fields.get("signal_id")
    if given_id is not None:
        found.fields["signal_id"] = f"{token.name}:{given_id}"
    action = _action(data, faults)
    if isinstance(action, Ignored):
        _made(found, SignalType.BUY, faults)
        return action, options
    if isinstance(action, SignalType):
        made = _made(found, action, faults)
        if given_id is None:
            return Opened(made.but(signal_id=f"{token.name}:{made.signal_id}")), options
        return Opened(made, found.called["signal_id"]), options
    for field in _ONLY_OF_ENTRIES:
        found.fields.pop(field, None)
    made = _made(found, action.side or SignalType.BUY, faults)
    return _closing(made, action, data, given_id), options


def _made(found: FoundFields, side: SignalType, faults: list[Fault]) -> Signal:
    """Build the signal. Raises Problem with its faults and `faults`."""
    found.fields["signal_type"], found.called["signal_type"] = side, "action"
    try:
        made = SIGNAL.made(found, _missing, ("timeframe",))
    except InvalidValue as error:
        raise not_understood([*faults, *(_advised(fault, found) for fault in error.errors)]) from None
    if faults:
        raise not_understood(faults)
    assert isinstance(made, Signal)  # noqa: S101  # what this kind makes
    return made


class _Close(NamedTuple):
    side: SignalType | None
    is_position_known: bool
    """True if the alert says which position was held before."""


_UNKNOWN = Ignored("the action is unknown")  # always together with a fault


def _names_and_values(raw: bytes) -> Mapping[str, Any]:
    text = raw.decode(errors="replace").strip()
    if text.startswith(("{", "[", "\ufeff")) or not text:
        return json_object(raw, is_filled_in=True)
    try:
        pairs = pairs_of(text)
    except InvalidValue as error:
        raise not_understood(error.errors) from None
    if pairs is None:
        detail = (
            f"cannot parse the message {shown_text(text)}. Write JSON such as {TEMPLATE}, or name=value for each name"
        )
        raise not_understood([Fault("not-readable", detail, value=shown_text(text))])
    return pairs


def _is_number_for_text(field: str, value: object) -> bool:
    return field in {"strategy_name", "notes", "signal_id"} and isinstance(value, int | Decimal)


def _missing(field: str) -> Fault:
    name = _OWN_NAMES[field]
    also = ", ".join(each for each in SIGNAL.names.spellings[field] if each != name)
    why = " It identifies repeats." if field == "timestamp" else ""
    text = f"{name} is missing (also accepted: {also}).{why} Write the alert's message like {TEMPLATE}"
    return Fault("missing", text, name)


def _advised(fault: Fault, found: FoundFields) -> Fault:
    """Add advice to `fault` if `{{interval}}` is not a length of time."""
    if fault.field != found.called.get("timeframe") or fault.code in {"missing", "placeholder"}:
        return fault
    advice = (
        "On a chart of ranges, ticks or months, {{interval}} is not a timeframe. Write one yourself instead, such as "
        '"60" for an hour'
    )
    return fault._replace(text=f"{fault.text}. {advice}")


def _action(data: Template, faults: list[Fault]) -> SignalType | _Close | Ignored:
    """Find the action. A new position, if given, counts more than the order, which may be only a part of it."""
    (name, value), *others = data.named(*_ACTION) or [("action", None)]
    word = None if value is None else _word(value)
    now, before, wrong = positions(data.pairs())
    faults += wrong
    held = _SIDE_BY_WORD.get(before or "")
    if word is not None and not _is_known(word):
        faults.append(unfilled(name, value) or _unknown_word(name, value, "buy, sell, long, short, close or exit"))
    elif now == "flat":
        return _Close(held, is_position_known=before is not None)
    elif now is not None:
        return _moved(_SIDE_BY_WORD[now], held, word)
    elif word is None:
        text = f"action is missing (also accepted: {', '.join(_ACTION[1:])}). Send buy, sell or close"
        faults.append(Fault("missing", text, "action"))
    else:
        words = [(name, word), *((each, _word(text)) for each, text in others if _is_known(_word(text)))]
        if held is not None and _SIDE_BY_WORD.get(word, held) is not held:  # an exit, or a reversal
            text = f"market_position is missing. After {before}, {shown(value)} may be an exit or a new signal"
            faults.append(Fault("missing", text, "market_position"))
            return _UNKNOWN
        return _done(words, held, faults, is_position_known=before is not None)
    return _UNKNOWN


def _done(
    words: list[tuple[str, str]], held: SignalType | None, faults: list[Fault], *, is_position_known: bool
) -> SignalType | _Close | Ignored:
    """Combine several words: `close` and `long` close a long; `buy` and `short` are a conflict."""
    (name, word), *others = words
    side, is_close = _side_of(word), word in _CLOSED_SIDE_BY_WORD
    for other_name, other in others:
        also = _side_of(other)
        if (other in _CLOSED_SIDE_BY_WORD and not is_close) or (side is not None and also not in {None, side}):
            text = f"{other_name} is {shown(other)}, but {name} is {shown(word)}. Send only one of them"
            faults.append(Fault("conflict", text, other_name, shown(other), f"{name}: {shown(word)}"))
            return _UNKNOWN
        side = side or also
    if is_close:
        return _Close(side or held, is_position_known)
    return side or _UNKNOWN


def _moved(side: SignalType, held: SignalType | None, word: str | None) -> SignalType | Ignored:
    """Whether the position that is now on `side` is a new signal."""
    is_reduced = word in _CLOSED_SIDE_BY_WORD or _SIDE_BY_WORD.get(word or "", side) is not side
    if is_reduced or held is side:
        return Ignored(f"the position only changed its size and stays {side.name}, which is not sent")
    return side


def _is_known(word: str) -> bool:
    return word in _SIDE_BY_WORD or word in _CLOSED_SIDE_BY_WORD


def _side_of(word: str) -> SignalType | None:
    return _SIDE_BY_WORD.get(word) or _CLOSED_SIDE_BY_WORD.get(word)


def _unknown_word(name: str, value: object, known: str) -> Fault:
    return Fault("unknown-word", f"{name} is {shown(value)}, which is not one of {known}", name, shown(value), known)


def _word(value: object) -> str:
    return re.sub(r"[\s-]+", "_", value.strip().lower()) if isinstance(value, str) else repr(value)


def _closing(signal: Signal, close: _Close, data: Template, given_id: object) -> Closing:
    """Convert `signal`, which was parsed as if it were new, to the end of an earlier one."""
    strategy, pair, timeframe, side = signal.strategy_name or _STRATEGY, signal.pair, signal.timeframe, close.side
    same = (str(given_id),) if given_id is not None else (compact(signal.timestamp), str(data.value("timenow", "")))
    identity = repr((*same, pair, timeframe, strategy, str(side), str(signal.entry_price)))
    unseen = None
    if side is not None and close.is_position_known:
        note = "Its opening was never sent here. The entry shown is the price at which it was closed."
        unseen = signal.but(stop_loss=None, take_profit=None, notes=note, signal_id=f"{signal.signal_id}:unseen")
    return Closing(
        key=hashlib.blake2s(identity.encode(), digest_size=16).hexdigest(),
        strategy=strategy,
        pair=pair,
        timeframe=timeframe or "",
        side=side,
        price=signal.entry_price,
        at=signal.timestamp,
        reason=signal.notes or "closed",
        unseen=unseen,
    )

"""Parses TradingView alerts. Pure.

TradingView sends the message that the alert's author wrote, as `application/json` if it is JSON, else as `text/plain`.
It fills in placeholders such as `{{close}}` without quoting, so that a missing number is a bare `NaN`. An alert fails
if it is not answered within 3 seconds; after a 5xx it is repeated after 5 seconds, up to 3 times.
(https://www.tradingview.com/support/solutions/43000529348, read in 2026.)
"""

import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from signalpost.domain.change import Change, Close, CloseReason, Update
from signalpost.domain.exact import decimal_of, rounded
from signalpost.domain.instant import compact
from signalpost.domain.making import field_of, in_their_words
from signalpost.domain.sent import unfilled
from signalpost.domain.side import SignalType
from signalpost.domain.signal import Signal
from signalpost.domain.spellings import FoundFields, read_fields
from signalpost.domain.tier import UserTier
from signalpost.domain.trade import WHOLE, Trade
from signalpost.errors import Fault, InvalidValue, shown
from signalpost.ingest.kinds import SIGNAL
from signalpost.ingest.positions import positions
from signalpost.ingest.send_options import SendOptions, read_options
from signalpost.ingest.templates import Template
from signalpost.web.body import names_and_values
from signalpost.web.hook_signals import HookChange, IsOwn, id_prefix
from signalpost.web.problem import not_understood
from signalpost.web.tokens import Token

TEMPLATE = (
    '{"ticker": "{{ticker}}", "interval": "{{interval}}", "action": "buy", "price": "{{close}}", "time": "{{time}}"}'
)
_STRATEGY = "TradingView"
_ANY_PRICE = 1
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
"""Fields that are meaningless for a close. Of a live signal, only its stop and targets can change."""
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
_CHANGES = frozenset(("update", "modify", "change"))
_OTHER_SIDE: Mapping[SignalType | None, SignalType]
_OTHER_SIDE = {SignalType.BUY: SignalType.SELL, SignalType.SELL: SignalType.BUY}
_SIZE_NOW = ("market_position_size", "strategy.market_position_size", "position_size", "strategy.position_size")
_SIZE_BEFORE = ("prev_market_position_size", "strategy.prev_market_position_size")
_SIZE_OF_ORDER = ("contracts", "order.contracts", "strategy.order.contracts")


class Opened(NamedTuple):
    """A new signal."""

    signal: Signal
    id_name: str | None = None
    """The field in which the alert gave the signal's id; None if it gave none."""


class Exit(NamedTuple):
    """A change of a live signal: its end, the exit of a part, or new levels."""

    alert: Signal
    """The alert as if it were a new signal, with its price and without levels."""
    side: SignalType | None
    """The side of the signal that changes; None if the alert does not say."""
    left: Fraction
    """How much of the position is left: 0 for its end, 1 if only levels change."""
    levels: Update | None
    """The stop and the targets in the alert, and its note."""
    identity: str
    """Equal for repeats of the same request."""


class Ignored(NamedTuple):
    """A valid alert that is deliberately not sent."""

    reason: str


Parsed = Opened | Exit | Ignored


class _Change(NamedTuple):
    side: SignalType | None
    left: Fraction = Fraction(0)
    """As in `Exit`."""
    is_update: bool = False
    """True if the action says that only levels change."""
    without_levels: str = "the alert changes nothing"
    """Why an alert that has no levels is ignored."""


_UNKNOWN = _Change(None)  # always together with a fault


def read(raw: bytes, token: Token) -> tuple[Parsed, SendOptions]:
    """Parse the alert in `raw`. Raises Problem 400 for invalid JSON, or 422 with all faults."""
    data = Template(names_and_values(raw, f"Write JSON such as {TEMPLATE}, or name=value for each name"))
    options, faults = read_options(data.pairs(), UserTier(token.tier))
    found = read_fields(data.pairs(), SIGNAL.names, _READ).or_else("strategy_name", _STRATEGY)
    found.fields.update({name: str(value) for name, value in found.fields.items() if _is_number_for_text(name, value)})
    given_id = found.fields.get("signal_id")
    if given_id is not None:
        found.fields["signal_id"] = f"{token.name}:{given_id}"
    action = _action(data, faults)
    if isinstance(action, SignalType):
        made = _made(found, action, faults)
        if given_id is None:
            return Opened(made.but(signal_id=f"{id_prefix(token.name)}{made.signal_id}")), options
        return Opened(made, found.called["signal_id"]), options
    others = () if action is _UNKNOWN else _ONLY_OF_ENTRIES
    sent = {field: found.fields.pop(field) for field in others if field in found.fields}
    levels = None if action.left == 0 else _levels(action, sent, found, faults)
    if action.left == 1:  # levels do not depend on the price
        found = found.or_else("entry_price", _ANY_PRICE)
    made = _made(found, action.side or SignalType.BUY, faults)
    if action.left == 1 and levels is None:
        return Ignored(f"not sent: {action.without_levels}"), options
    return _exit(made, action, levels, data, given_id), options


def is_own(token: Token, alert: Signal, side: SignalType | None = None) -> IsOwn:
    """Whether a trade was opened with `token`, has the strategy, pair and timeframe of `alert`, and `side` if given."""
    wanted = alert.strategy_name, alert.pair, alert.timeframe

    def is_own(trade: Trade) -> bool:
        signal = trade.signal
        is_its = signal.signal_id.startswith(id_prefix(token.name)) and side in {None, signal.signal_type}
        return is_its and (signal.strategy_name, signal.pair, signal.timeframe) == wanted

    return is_own


def hook_change(token: Token, parsed: Exit) -> HookChange:
    """The change that an exit makes to its signal."""
    alert, side = parsed.alert, parsed.side
    return HookChange(
        f"{id_prefix(token.name)}{parsed.identity} hook",
        f"{alert.pair} {alert.timeframe} of strategy {alert.strategy_name}",
        alert.pair,
        is_own(token, alert, side),
        lambda trade: change_of(parsed, trade),
        is_every=parsed.left == 0,
        is_entry_of=lambda trade: parsed.left == 0 and side is None and _entry(alert) == _entry(trade.signal),
    )


def change_of(parsed: Exit, trade: Trade) -> Change:
    """The change of `trade` that an exit makes. If the price is at the stop or the last target, the reason says so.

    If a part is closed at the price of the next target, that target was hit.
    """
    ahead, price = trade.targets[trade.hits :], parsed.alert.entry_price
    is_hit = bool(ahead) and trade.gain(price) >= trade.gain(ahead[0].price)
    if parsed.left == 0:
        is_stopped = trade.stop is not None and trade.gain(price) <= trade.gain(trade.stop)
        is_last = is_hit and len(ahead) == 1
        reason = CloseReason.STOP if is_stopped else CloseReason.TARGET if is_last else CloseReason.MANUAL
        return Close(price=price, reason=reason, note=_comment(parsed.alert))
    news = {} if parsed.levels is None else _news(parsed.levels, trade)
    if parsed.left < 1:
        part = rounded((trade.open_share or WHOLE) * (1 - parsed.left))
        hit = trade.hits + 1 if is_hit else None
        news |= {"close_part": part, "price": price, "target_hit": hit, "note": _comment(parsed.alert)}
    return Update(**news or {"target_hit": trade.hits})


def _comment(alert: Signal) -> str | None:
    """The comment of an exit; None if it has none."""
    return alert.notes.strip() or None if alert.notes else None


def _news(levels: Update, trade: Trade) -> dict[str, Any]:
    """The levels to set, without the targets that were hit: an alert may repeat them."""
    hit = [target.price for target in trade.targets[: trade.hits]]
    is_repeated = [target.price for target in levels.targets[: trade.hits]] == hit
    news = {
        **{name: getattr(levels, name) for name in ("stop_loss", "stop_at_entry", "note")},
        "take_profit": None if levels.take_profit in hit else levels.take_profit,
        "targets": levels.targets[trade.hits :] if is_repeated else levels.targets,
    }
    return {name: value for name, value in news.items() if value}


def _levels(action: _Change, sent: Mapping[str, Any], found: FoundFields, faults: list[Fault]) -> Update | None:
    """The levels that an alert sets; None if it sets none. A note counts only if the action is an update."""
    fields = {field: sent[field] for field in ("stop_loss", "take_profit", "targets") if field in sent}
    if action.is_update and "notes" in found.fields:
        fields["note"] = found.fields["notes"]
    if "targets" in fields:
        fields.pop("take_profit", None)
    try:
        return Update(**fields) if fields else None
    except InvalidValue as error:
        names = {**found.called, "note": found.called.get("notes", "note")}
        faults += [in_their_words(each, names.get(field_of(each), field_of(each))) for each in error.errors]
        return None


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


def _action(data: Template, faults: list[Fault]) -> SignalType | _Change:
    """Find the action. A new position, if given, counts more than the order, which may be only a part of it."""
    (name, value), *others = data.named(*_ACTION) or [("action", None)]
    word = None if value is None else _word(value)
    now, before, wrong = positions(data.pairs())
    faults += wrong
    held = _SIDE_BY_WORD.get(before or "")
    if word is not None and not _is_known(word):
        faults.append(unfilled(name, value) or _unknown_word(name, value, "buy, sell, long, short, close or exit"))
    elif now == "flat":
        return _Change(held or _OTHER_SIDE.get(_SIDE_BY_WORD.get(word or "")))
    elif word in _CHANGES:
        return _Change(_SIDE_BY_WORD.get(now or "") or held, Fraction(1), is_update=True)
    elif now is not None:
        return _moved(_SIDE_BY_WORD[now], held, word, data)
    elif word is None:
        text = f"action is missing (also accepted: {', '.join(_ACTION[1:])}). Send buy, sell or close"
        faults.append(Fault("missing", text, "action"))
    else:
        words = [(name, word), *((each, _word(text)) for each, text in others if _is_known(_word(text)))]
        if held is not None and _SIDE_BY_WORD.get(word, held) is not held:  # an exit, or a reversal
            text = f"market_position is missing. After {before}, {shown(value)} may be an exit or a new signal"
            faults.append(Fault("missing", text, "market_position"))
            return _UNKNOWN
        return _done(words, held, faults)
    return _UNKNOWN


def _done(words: list[tuple[str, str]], held: SignalType | None, faults: list[Fault]) -> SignalType | _Change:
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
        return _Change(side or held)
    return side or _UNKNOWN


def _moved(side: SignalType, held: SignalType | None, word: str | None, data: Template) -> SignalType | _Change:
    """Whether the position that is now on `side` is a new signal, or what is left of an earlier one."""
    is_reduced = word in _CLOSED_SIDE_BY_WORD or _SIDE_BY_WORD.get(word or "", side) is not side
    if not is_reduced and held is not side:
        return side
    now, before = _sizes(data)
    if now is not None and before is not None and 0 < now < before:
        return _Change(side, now / before)
    why = f"only the size of the position changed; it is still {side.name}"
    advice = ". To report the exit of a part, also send market_position_size and prev_market_position_size"
    return _Change(side, Fraction(1), without_levels=why + advice * is_reduced)


def _sizes(data: Template) -> tuple[Fraction | None, Fraction | None]:
    """The size of the position now and before; None if unknown."""
    now, before, order = (_size(data, *names) for names in (_SIZE_NOW, _SIZE_BEFORE, _SIZE_OF_ORDER))
    return now, now + order if before is None and now is not None and order is not None else before


def _size(data: Template, *names: str) -> Fraction | None:
    try:
        return next((abs(Fraction(decimal_of(value, name))) for name, value in data.named(*names)), None)
    except InvalidValue:
        return None


def _is_known(word: str) -> bool:
    return word in _SIDE_BY_WORD or word in _CLOSED_SIDE_BY_WORD or word in _CHANGES


def _side_of(word: str) -> SignalType | None:
    return _SIDE_BY_WORD.get(word) or _CLOSED_SIDE_BY_WORD.get(word)


def _unknown_word(name: str, value: object, known: str) -> Fault:
    return Fault("unknown-word", f"{name} is {shown(value)}, which is not one of {known}", name, shown(value), known)


def _word(value: object) -> str:
    return re.sub(r"[\s-]+", "_", value.strip().lower()) if isinstance(value, str) else repr(value)


def _exit(alert: Signal, action: _Change, levels: Update | None, data: Template, given_id: object) -> Exit:
    is_named = given_id is not None and action.left == 0
    same = (str(given_id),) if is_named else (compact(alert.timestamp), str(data.value("timenow", "")))
    more = () if action.left == 0 else (str(action.left), str(_sizes(data)), repr(levels))
    about = (alert.pair, alert.timeframe, alert.strategy_name, str(action.side), str(alert.entry_price))
    identity = hashlib.blake2s(repr((*same, *about, *more)).encode(), digest_size=16).hexdigest()
    return Exit(alert, action.side, action.left, levels, identity)


def _entry(signal: Signal) -> tuple[object, ...]:
    return signal.timestamp, signal.entry_price

"""What a TradingView alert says. Pure.

An alert is sent with the message that its author wrote, as `application/json` where that is JSON and as `text/plain`
where it is not; placeholders such as `{{close}}` are filled in as they are, so that a missing number is a bare `NaN`.
What is not answered within 3 seconds counts as failed, and a 5xx is sent again after 5 seconds, up to 3 times.
(https://www.tradingview.com/support/solutions/43000529348, read in 2026.)
"""

import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from signalpost.domain.instant import compact
from signalpost.domain.side import SignalType
from signalpost.domain.signal import Signal
from signalpost.domain.text import shown
from signalpost.domain.tier import UserTier
from signalpost.web.body import json_object
from signalpost.web.closing import Closing
from signalpost.web.door import Wishes
from signalpost.web.kinds import SIGNAL, wishes
from signalpost.web.loose_text import first, flat, moment
from signalpost.web.problem import Fault, not_understood
from signalpost.web.tokens import Token

TEMPLATE = (
    '{"ticker": "{{ticker}}", "interval": "{{interval}}", "action": "buy", "price": "{{close}}", "time": "{{time}}"}'
)
_STRATEGY = "TradingView"
_NAMES = {
    "pair": ("ticker", "symbol", "pair", "instrument"),
    "timeframe": ("interval", "timeframe", "tf"),
    "entry_price": ("price", "close", "entry", "entry_price", "order_price"),
    "timestamp": ("time", "timenow", "timestamp"),
    "stop_loss": ("sl", "stop_loss", "stoploss", "stop"),
    "take_profit": ("tp", "take_profit", "takeprofit", "tp1", "target"),
    "confidence_score": ("confidence", "confidence_score"),
    "strategy_name": ("strategy", "strategy_name"),
    "notes": ("comment", "notes", "message", "alert_message"),
    "signal_id": ("id", "signal_id", "alert_id"),
}
_REQUIRED = ("pair", "timeframe", "entry_price", "timestamp")
_ACTION = ("action", "order_action", "side", "signal", "direction")
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
_PAIR = re.compile(r"""(?P<name>\w+)\s*=\s*(?:"(?P<quoted>[^"\n]*)"|(?P<plain>[^\s,;"]*))\s*[,;]?\s*""")


class Opened(NamedTuple):
    """A new signal."""

    signal: Signal


class Untold(NamedTuple):
    """Nothing to tell, and why."""

    reason: str


Said = Opened | Closing | Untold


def read(raw: bytes, token: Token) -> tuple[Said, Wishes]:
    """What the alert in `raw` says. Raises Problem: 400 for broken JSON, 422 with all faults."""
    data = flat(_names_and_values(raw))
    asked, faults = wishes(data, UserTier(token.tier))
    found = {field: each for field, names in _NAMES.items() if (each := first(data, *names)) is not None}
    called = {field: name for field, (name, _) in found.items()}
    fields = {field: _as_meant(field, value) for field, (_, value) in found.items()}
    fields.setdefault("strategy_name", _STRATEGY)
    given_id = fields.pop("signal_id", None)
    faults += [Fault(_NAMES[name][0], _missing(name)) for name in _REQUIRED if name not in fields]
    action = _action(data, faults)
    if given_id is not None:
        fields["signal_id"] = f"{token.name}:{given_id}"
    faults += SIGNAL.wrong(fields, called)
    if faults:
        raise not_understood(faults)
    if isinstance(action, Untold):
        return action, asked
    if isinstance(action, SignalType):
        made = _made(fields | {"signal_type": action}, called)
        return Opened(made if given_id is not None else made.but(signal_id=f"{token.name}:{made.signal_id}")), asked
    plain = {name: value for name, value in fields.items() if name not in {"stop_loss", "take_profit"}}
    made = _made(plain | {"signal_type": action.side or SignalType.BUY}, called)
    return _closing(made, action.side, data, given_id), asked


def _made(fields: dict[str, object], called: Mapping[str, str]) -> Signal:
    made = SIGNAL.made(fields, called)
    if not isinstance(made, Signal):
        raise not_understood(made if isinstance(made, list) else [])
    return made


class _Close(NamedTuple):
    side: SignalType | None


def _names_and_values(raw: bytes) -> Mapping[str, Any]:
    text = raw.decode(errors="replace").strip()
    if text.startswith(("{", "[", "\ufeff")) or not text:
        return json_object(raw, is_filled_in=True)
    pairs: dict[str, str] = {}
    at = 0
    while at < len(text) and (pair := _PAIR.match(text, at)):
        name = pair["name"].lower()
        if name in pairs:
            raise not_understood([Fault(name, f"{name} stands twice")])
        pairs[name] = pair["plain"] if pair["quoted"] is None else pair["quoted"]
        at = pair.end()
    if at < len(text):
        detail = f"the message is {shown(text)}: give JSON such as {TEMPLATE}, or name=value for each of these names"
        raise not_understood([Fault("", detail)])
    return pairs


def _as_meant(field: str, value: object) -> object:
    match field:
        case "timestamp":
            return moment(value)
        case "strategy_name" | "notes" | "signal_id" if isinstance(value, int | Decimal):
            return str(value)
        case _:
            return value


def _missing(field: str) -> str:
    what, *others = _NAMES[field]
    also = f" (also read as {', '.join(others)})"
    why = ", by which a repeat is known" if field == "timestamp" else ""
    return f"{what} is missing{also}{why}: write the alert's message like {TEMPLATE}"


def _action(data: Mapping[str, Any], faults: list[Fault]) -> SignalType | _Close | Untold:
    """What is done: a strategy's position, where it tells one, says more than its order, which may be a part of it."""
    name, value = first(data, *_ACTION) or ("action", None)
    word = None if value is None else _word(value)
    now, before = _position(data, "market_position", faults), _position(data, "prev_market_position", faults)
    if word is not None and word not in _SIDE_BY_WORD and word not in _CLOSED_SIDE_BY_WORD:
        faults.append(Fault(name, f"{name} is {shown(value)}: give buy, sell, long, short, close or exit"))
    elif now == "flat":
        return _Close(_SIDE_BY_WORD.get(before or ""))
    elif now is not None:
        return _moved(_SIDE_BY_WORD[now], before, word)
    elif word is None:
        faults.append(
            Fault(name, f"action is missing (also read as {', '.join(_ACTION[1:])}): give buy, sell or close")
        )
    elif word in _CLOSED_SIDE_BY_WORD:
        return _Close(_CLOSED_SIDE_BY_WORD[word] or _SIDE_BY_WORD.get(before or ""))
    else:
        return _SIDE_BY_WORD[word]
    return Untold("it is not known what is done")  # which a fault tells


def _moved(side: SignalType, before: str | None, word: str | None) -> SignalType | Untold:
    """What it means that the position is on `side` now."""
    is_reduced = word in _CLOSED_SIDE_BY_WORD or _SIDE_BY_WORD.get(word or "", side) is not side
    if is_reduced or (before is not None and _SIDE_BY_WORD.get(before) is side):
        return Untold(f"the position is {side.name} as before, only of another size: that is not told")
    return side


def _position(data: Mapping[str, Any], name: str, faults: list[Fault]) -> str | None:
    if name not in data:
        return None
    word = _word(data[name])
    if word not in {"long", "short", "flat"}:
        faults.append(Fault(name, f"{name} is {shown(data[name])}: give long, short or flat"))
        return None
    return word


def _word(value: object) -> str:
    return re.sub(r"[\s-]+", "_", value.strip().lower()) if isinstance(value, str) else repr(value)


def _closing(told: Signal, side: SignalType | None, data: Mapping[str, Any], given_id: object) -> Closing:
    """How `told`, which was read as if it were a new signal, closes an earlier one."""
    strategy, pair, timeframe = told.strategy_name, told.pair, told.timeframe
    same = (str(given_id),) if given_id is not None else (compact(told.timestamp), str(data.get("timenow", "")))
    what = repr((*same, pair, timeframe, strategy, str(side), str(told.entry_price)))
    unseen = None
    if side is not None and "prev_market_position" in data:
        note = "Its opening was not told here: the entry shown is the price at which it was closed."
        unseen = told.but(stop_loss=None, take_profit=None, notes=note, signal_id=f"{told.signal_id}:unseen")
    return Closing(
        key=hashlib.blake2s(what.encode(), digest_size=16).hexdigest(),
        strategy=strategy,
        pair=pair,
        timeframe=timeframe,
        side=side,
        price=told.entry_price,
        at=told.timestamp,
        reason=told.notes or "closed",
        unseen=unseen,
    )

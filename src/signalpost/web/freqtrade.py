"""What freqtrade's webhook says, as the dicts of docs/how-to/freqtrade.md make it. Pure.

freqtrade fills `str.format` templates, so every value is text, and what is not known is the text `None`. Each dict
names its own event, because nothing else in a request does. An `exit_fill` names all that its `entry_fill` told, so
nothing has to be remembered between the two. (Placeholders: freqtrade's page "Webhook usage", 2024 to 2026.)
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from signalpost.domain.alert import Alert, AlertSeverity
from signalpost.domain.exact import positive
from signalpost.domain.instant import compact, utc
from signalpost.domain.notification import Payload
from signalpost.domain.signal import Signal
from signalpost.domain.system_status import SystemStatus
from signalpost.domain.text import required_text, shown
from signalpost.domain.tier import UserTier
from signalpost.domain.words import member
from signalpost.errors import InvalidValue
from signalpost.web.body import json_object
from signalpost.web.door import Wishes
from signalpost.web.kinds import SIGNAL, wishes
from signalpost.web.loose_text import first, flat, number
from signalpost.web.problem import Fault, not_understood
from signalpost.web.tokens import Token

_STRATEGY = "freqtrade"
_CLOSED_IS_NEWS_FOR = timedelta(hours=24)
_LONGEST_STATUS = 60
REPEATED_WITHIN = timedelta(seconds=60)
"""A repeat of words comes within a second or two, and must be the same; a minute later the same words are news."""
_FIELDS = {
    "pair": ("pair",),
    "signal_type": ("direction",),
    "timeframe": ("timeframe", "tf", "interval"),
    "entry_price": ("open_rate",),
    "timestamp": ("open_date",),
    "stop_loss": ("stop_loss", "stoploss"),
    "take_profit": ("take_profit",),
    "strategy_name": ("strategy", "strategy_name"),
}
_REQUIRED = ("pair", "signal_type", "timeframe", "entry_price", "timestamp")
_SHOWN = (
    ("exchange", "exchange"),
    ("leverage", "leverage"),
    ("amount", "amount"),
    ("stake", "stake_amount"),
    ("tag", "enter_tag"),
    ("profit", "profit_amount"),
)
"""Facts of a trade that a message shows, by what they are called there."""
_NOT_TOLD = ("entry", "entry_cancel", "exit", "exit_cancel", "protection_trigger", "protection_trigger_global")


class Said(NamedTuple):
    """What is told, and which event it is; without a payload, why nothing is."""

    payload: Payload | None
    event: str = "new"
    reason: str = ""
    about: str = ""
    """Why the same id with other content is no conflict, where it is none."""


class Words(NamedTuple):
    """What comes without a time of its own: the same within `REPEATED_WITHIN` of the first is a repeat of it."""

    name: str
    """The same for the same words of one token."""
    told_at: Callable[[datetime], Payload]
    """What is told, if these are told then first."""


def read(raw: bytes, token: Token) -> tuple[Said | Words, Wishes]:
    """What the request in `raw` says. Raises Problem: 400 for broken JSON, 422 with all faults."""
    data = flat(json_object(raw, is_filled_in=True))
    asked, faults = wishes(data, UserTier(token.tier))
    event = data.get("event")
    if event in _NOT_TOLD and not faults:
        return Said(None, reason=f"{event} is not told: an entry or an exit is, once it is filled"), asked
    said: Said | Words
    match event:
        case "entry_fill":
            said = Said(_entered(data, token, faults), about="an addition to a trade whose entry was told is not told")
        case "exit_fill":
            said = _exited(data, token, faults)
        case "status":
            said = _status(data, token, faults)
        case "strategy_msg":
            said = _message(data, token, faults)
        case _:
            known = ", ".join(("entry_fill", "exit_fill", "status", "strategy_msg", *_NOT_TOLD))
            raise not_understood([*faults, Fault("event", f"event is {shown(event)}: give one of {known}")])
    if faults:
        raise not_understood(faults)
    return said, asked._replace(context={**_facts(data), **asked.context})


def _entered(data: Mapping[str, Any], token: Token, faults: list[Fault]) -> Signal | None:
    found = {field: each for field, names in _FIELDS.items() if (each := first(data, *names)) is not None}
    called = {field: name for field, (name, _) in found.items()}
    fields: dict[str, Any] = {field: _as_meant(field, value) for field, (_, value) in found.items()}
    fields.setdefault("strategy_name", _STRATEGY)
    faults += [Fault(_FIELDS[name][0], _missing(_FIELDS[name][0])) for name in _REQUIRED if name not in fields]
    faults += SIGNAL.wrong(fields, called)
    if "trade_id" not in data:
        faults.append(Fault("trade_id", _missing("trade_id")))
    if faults:
        return None
    opened = utc(fields["timestamp"], "open_date")
    exchange = str(data.get("exchange", "")).lower()
    fields["signal_id"] = f"{token.name}:{exchange}:{data['trade_id']}:{compact(opened)}"
    made = SIGNAL.made(fields, called | {"signal_id": "trade_id"})
    if isinstance(made, Signal):
        return made
    faults += made if isinstance(made, list) else []
    return None


def _exited(data: Mapping[str, Any], token: Token, faults: list[Fault]) -> Said:
    if _word(data.get("is_final_exit", "true")) == "false":
        return Said(None, reason="a part of the trade was sold: only its end is told")
    price: Any = data.get("close_rate")
    reason = data.get("exit_reason", "exit")
    if price is None:
        faults.append(Fault("close_rate", _missing("close_rate")))
    checks: tuple[tuple[str, Any, Callable[[Any, str], object]], ...] = (
        ("close_rate", 1 if price is None else price, positive),
        ("exit_reason", reason, required_text),
    )
    for name, value, check in checks:
        try:
            check(value, name)
        except InvalidValue as fault:
            faults.append(Fault(name, str(fault)))
    opened = _entered(data, token, faults)
    if opened is None:
        return Said(None)
    closed = opened.close(reason).at_price(price)
    return Said(closed.but(valid_until=closed.updated_at + _CLOSED_IS_NEWS_FOR), "closed")


def _status(data: Mapping[str, Any], token: Token, faults: list[Fault]) -> Said | Words:
    text = data.get("status")
    if not isinstance(text, str):
        faults.append(Fault("status", _missing("status") if text is None else f"status is {shown(text)}: give text"))
        return Said(None)
    is_short = len(text) <= _LONGEST_STATUS and text.isprintable()
    name = f"{token.name}:{_hashed(text)}"

    def told_at(first: datetime) -> SystemStatus:
        return SystemStatus(
            status=text if is_short else "report",
            message="" if is_short else text,
            timestamp=first,
            status_id=f"{name}:{compact(first)}",
        )

    return Words(f"{name}:status", told_at)


def _message(data: Mapping[str, Any], token: Token, faults: list[Fault]) -> Said | Words:
    """A strategy's own message, for the operators: whoever writes one does not think of the community."""
    text = data.get("msg")
    if not isinstance(text, str):
        faults.append(Fault("msg", _missing("msg") if text is None else f"msg is {shown(text)}: give text"))
        return Said(None)
    try:
        severity = member(AlertSeverity, data.get("severity", AlertSeverity.INFO), "severity")
    except InvalidValue as fault:
        faults.append(Fault("severity", str(fault)))
        return Said(None)
    name = f"{token.name}:{_hashed(text)}"

    def told_at(first: datetime) -> Alert:
        return Alert(
            alert_type="strategy_msg",
            severity=severity,
            title=f"Message of {_STRATEGY}",
            message=text,
            source=token.name,
            timestamp=first,
            alert_id=f"{name}:{compact(first)}",
        )

    return Words(f"{name}:strategy_msg", told_at)


def _as_meant(field: str, value: object) -> object:
    if field == "timestamp" and isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip().replace("\0", " "))
        except ValueError:
            return value
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)  # freqtrade's times are in UTC
    return value


def _facts(data: Mapping[str, Any]) -> dict[str, object]:
    facts = {shown_as: f"{data[name]}" for shown_as, name in _SHOWN if name in data}
    for amount in {"stake", "profit"} & facts.keys():
        facts[amount] += f" {data['stake_currency']}" if "stake_currency" in data else ""
    ratio = number(data.get("profit_ratio"))
    if ratio is not None and abs(ratio) < 1_000:
        facts["profit ratio"] = f"{ratio * 100:+.2f} %"
    return dict(facts)


def _missing(name: str) -> str:
    return f"{name} is missing: the dict of this event lacks it, see the page on freqtrade"


def _word(value: object) -> str:
    return str(value).strip().lower()


def _hashed(text: str) -> str:
    return hashlib.blake2s(text.encode(errors="surrogatepass"), digest_size=6).hexdigest()

"""Parses requests of freqtrade's webhook that use the dicts of docs/how-to/freqtrade.md. Pure.

freqtrade fills `str.format` templates, so every value is text, and an unknown one is the text `None`. Each dict must
contain its event, because nothing else in a request does. An `exit_fill` repeats all facts of its `entry_fill`, so
nothing needs to be remembered between the two. (Placeholders: freqtrade's page "Webhook usage", 2024 to 2026.)
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from signalpost.domain.alert import Alert, AlertSeverity
from signalpost.domain.exact import decimal_of, positive
from signalpost.domain.instant import compact
from signalpost.domain.notification import Payload
from signalpost.domain.signal import Signal
from signalpost.domain.spellings import read_fields
from signalpost.domain.system_status import SystemStatus
from signalpost.domain.text import as_text, required_text, shown
from signalpost.domain.tier import UserTier
from signalpost.domain.words import member
from signalpost.errors import Fault, InvalidValue
from signalpost.ingest.kinds import SIGNAL
from signalpost.ingest.send_options import SendOptions, read_options
from signalpost.ingest.templates import Template, form_of, pairs_of, shown_text
from signalpost.web.body import json_object
from signalpost.web.problem import not_understood
from signalpost.web.tokens import Token

_STRATEGY = "freqtrade"
_CLOSE_VALID_FOR = timedelta(hours=24)
_LONGEST_STATUS = 60
REPEATED_WITHIN = timedelta(seconds=60)
"""freqtrade repeats a message within a second or two. The same text a minute later is a new message."""
_OWN_NAMES = {
    "pair": "pair",
    "signal_type": "direction",
    "timeframe": "timeframe",
    "entry_price": "open_rate",
    "timestamp": "open_date",
}
"""freqtrade's names of the required fields."""
_READ = (*_OWN_NAMES, "stop_loss", "take_profit", "targets", "strategy_name")
_SHOWN = (
    ("exchange", "exchange"),
    ("leverage", "leverage"),
    ("amount", "amount"),
    ("stake", "stake_amount"),
    ("tag", "enter_tag"),
    ("profit", "profit_amount"),
)
"""Facts of a trade that a message shows: their names there, and in freqtrade."""
_SEVERITY_BY_EVENT = {
    "warning": AlertSeverity.MEDIUM,
    "exception": AlertSeverity.HIGH,
    "liquidation_warning": AlertSeverity.HIGH,
    "strategy_msg": AlertSeverity.INFO,
}
_TITLE_BY_EVENT = {
    "warning": "Warning from freqtrade",
    "exception": "Exception in freqtrade",
    "liquidation_warning": "Position close to liquidation",
    "strategy_msg": "Message from freqtrade",
}
_TEXT_BY_EVENT = {"warning": "status", "exception": "status", "strategy_msg": "msg"}
_NOT_A_DETAIL = frozenset(("event", "type", "severity", "priority", "user_tier", "tier", "context"))
_REASON_BY_IGNORED_EVENT = {
    **dict.fromkeys(
        ("entry", "entry_cancel", "exit", "exit_cancel"), "entries and exits are sent when they are filled"
    ),
    **dict.fromkeys(("protection_trigger", "protection_trigger_global"), "trades are sent when they are filled"),
    **dict.fromkeys(("whitelist", "analyzed_df", "new_candle"), "it is only for other bots"),
}
EVENTS = ("entry_fill", "exit_fill", "status", "startup", *_SEVERITY_BY_EVENT, *_REASON_BY_IGNORED_EVENT)
"""Every event of freqtrade (its `RPCMessageType` of September 2026)."""
_AS_JSON = 'Set "format": "json" in freqtrade\'s webhook, and use the dicts from the how-to page'


class Parsed(NamedTuple):
    """A payload and its event; without a payload, the reason why nothing is sent."""

    payload: Payload | None
    event: str = "new"
    reason: str = ""
    about: str = ""
    """If set: why the same id with other content is not a conflict but ignored."""


class UndatedMessage(NamedTuple):
    """A message without a time of its own; the same text within `REPEATED_WITHIN` is a repeat."""

    name: str
    """Equal for equal messages of one token."""
    payload_at: Callable[[datetime], Payload]
    """Builds the payload from the time at which the message was first sent."""


def read(raw: bytes, token: Token) -> tuple[Parsed | UndatedMessage, SendOptions]:
    """Parse the request in `raw`: JSON, a form (freqtrade's default) or `name=value` text.

    Raises Problem 400 for invalid JSON, or 422 with all faults.
    """
    data = Template(_names_and_values(raw))
    options, faults = read_options(data.pairs(), UserTier(token.tier))
    event = _event(data)
    parsed: Parsed | UndatedMessage | None = None
    try:
        if event in _REASON_BY_IGNORED_EVENT:
            parsed = Parsed(None, reason=f"{event} is not sent: {_REASON_BY_IGNORED_EVENT[event]}")
        elif event == "entry_fill":
            parsed = Parsed(
                _entered(data, token),
                about="this adds to a trade whose entry was already sent, so it is not sent again",
            )
        elif event == "exit_fill":
            parsed = _exited(data, token)
        elif event in {"status", "startup"}:
            parsed = _status(data, event, token)
        elif event in _SEVERITY_BY_EVENT:
            parsed = _alert(data, event, token)
        else:
            raise InvalidValue.of_all([_unknown_event(data)])
    except InvalidValue as error:
        faults = [*error.errors, *faults]
    if parsed is None or faults:
        raise not_understood(faults)
    return parsed, options._replace(context={**_facts(data), **options.context})


def _names_and_values(raw: bytes) -> Mapping[str, Any]:
    text = raw.decode(errors="replace").strip()
    if text.startswith(("{", "[", "\ufeff")) or not text:
        return json_object(raw, is_filled_in=True)
    try:
        pairs = form_of(text) if "=" in text and not re.search(r"\s", text) else pairs_of(text)
    except InvalidValue as error:
        raise not_understood(error.errors) from None
    if pairs is None:
        detail = f"cannot parse the body {shown_text(text)}. {_AS_JSON}"
        raise not_understood([Fault("not-readable", detail, value=shown_text(text))])
    return pairs


def _event(data: Template) -> str:
    given = data.value("event", data.value("type"))
    return _word(given).removeprefix("rpcmessagetype.") if isinstance(given, str) else ""


def _unknown_event(data: Template) -> Fault:
    given = data.value("event", data.value("type"))
    if given is None:
        return Fault("missing", f"event is missing. Each dict must contain its event. {_AS_JSON}", "event")
    known = ", ".join(EVENTS)
    return Fault("unknown-word", f"event is {shown(given)}, which is not one of {known}", "event", shown(given), known)


def _entered(data: Template, token: Token) -> Signal:
    """Build the signal of a trade. Raises InvalidValue with all faults."""
    found = read_fields(data.pairs(), SIGNAL.names, _READ)
    found = found.or_else("strategy_name", _STRATEGY)
    if "timestamp" in found.fields:
        found.fields["timestamp"] = _in_utc(found.fields["timestamp"])
    trade = data.value("trade_id")
    if trade is None:
        found = found._replace(faults=(*found.faults, _missing("trade_id")))
    signal = SIGNAL.made(found, lambda field: _missing(_OWN_NAMES[field]), ("timeframe",))
    assert isinstance(signal, Signal)  # noqa: S101  # what this kind makes
    exchange = str(data.value("exchange", "")).lower()
    try:
        return signal.but(signal_id=f"{token.name}:{exchange}:{trade}:{compact(signal.timestamp)}")
    except InvalidValue as error:
        raise InvalidValue.of_all([fault._replace(field="trade_id") for fault in error.errors]) from None


def _exited(data: Template, token: Token) -> Parsed:
    final = _word(data.value("is_final_exit", ""))
    # A freqtrade without `is_final_exit` still says with `sub_trade` that a part was sold.
    if final == "false" or (final != "true" and _word(data.value("sub_trade", "")) == "true"):
        return Parsed(None, reason="a part of the trade was closed; only its end is sent")
    price, reason = data.value("close_rate"), data.value("exit_reason", "exit")
    faults = [_missing("close_rate")] if price is None else []
    checks: list[Callable[[], object]] = [
        *([lambda: positive(price, "close_rate")] if price is not None else []),
        lambda: required_text(reason, "exit_reason"),
        lambda: _entered(data, token),
    ]
    for check in checks:
        try:
            made = check()
        except InvalidValue as error:
            faults += error.errors
    if faults:
        raise InvalidValue.of_all(faults)
    assert isinstance(made, Signal)  # noqa: S101  # the last check made it
    closed = made.close(reason).at_price(price)
    return Parsed(closed.but(valid_until=closed.updated_at + _CLOSE_VALID_FOR), "closed")


def _status(data: Template, event: str, token: Token) -> UndatedMessage:
    text = _text(data, "status")
    is_short = len(text) <= _LONGEST_STATUS and text.isprintable()
    name = f"{token.name}:{_hashed(text)}"

    def payload_at(first: datetime) -> SystemStatus:
        return SystemStatus(
            status=text if is_short else "report",
            message="" if is_short else text,
            timestamp=first,
            status_id=f"{name}:{compact(first)}",
        )

    return UndatedMessage(f"{name}:{event}", payload_at)


def _alert(data: Template, event: str, token: Token) -> UndatedMessage:
    """Build an alert for operators: messages of a bot or a strategy are not for the community."""
    text = _details(data) if event == "liquidation_warning" else _text(data, _TEXT_BY_EVENT[event])
    severity = member(AlertSeverity, data.value("severity", _SEVERITY_BY_EVENT[event]), "severity")
    name = f"{token.name}:{_hashed(text)}"

    def payload_at(first: datetime) -> Alert:
        return Alert(
            alert_type=event,
            severity=severity,
            title=_TITLE_BY_EVENT[event],
            message=text,
            source=token.name,
            timestamp=first,
            alert_id=f"{name}:{compact(first)}",
        )

    return UndatedMessage(f"{name}:{event}", payload_at)


def _text(data: Template, name: str) -> str:
    text = data.value(name)
    if text is None:
        raise InvalidValue.of_all([_missing(name)])
    if not isinstance(text, str):
        raise InvalidValue(
            f"{name} is {shown(text)}, which is not text", code="not-text", field=name, value=shown(text)
        )
    return text


def _details(data: Template) -> str:
    """The other facts in a dict, one per line."""
    return "\n".join(f"{name}: {as_text(value)}" for name, value in data.pairs() if _word(name) not in _NOT_A_DETAIL)


def _in_utc(value: object) -> object:
    """Add UTC, freqtrade's zone, to a time without a zone. Invalid values stay, and their check rejects them."""
    if not isinstance(value, str) or "\0" in value:
        return value
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _facts(data: Template) -> dict[str, object]:
    facts = {shown_as: as_text(value) for shown_as, name in _SHOWN if (value := data.value(name)) is not None}
    for amount in {"stake", "profit"} & facts.keys():
        facts[amount] += f" {currency}" if (currency := data.value("stake_currency")) is not None else ""
    ratio = _number(data.value("profit_ratio"))
    if ratio is not None and abs(ratio) < 1_000:
        facts["profit ratio"] = f"{ratio * 100:+.2f} %"
    return dict(facts)


def _number(value: Any) -> Decimal | None:
    try:
        return decimal_of(value, "number")
    except InvalidValue:
        return None


def _missing(name: str) -> Fault:
    return Fault(
        "missing", f"{name} is missing. Add it to the dict of this event, as the how-to page on freqtrade shows", name
    )


def _word(value: object) -> str:
    return str(value).strip().lower()


def _hashed(text: str) -> str:
    return hashlib.blake2s(text.encode(errors="surrogatepass"), digest_size=6).hexdigest()

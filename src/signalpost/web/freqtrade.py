"""Parses requests of freqtrade's webhook that use the dicts of docs/how-to/freqtrade.md. Pure.

freqtrade fills `str.format` templates, so every value is text, and an unknown one is the text `None`. Each dict must
contain its event, because nothing else in a request names it. A trade's signal is found by its `trade_id`, which is in
the signal's id. (Placeholders: freqtrade's page "Webhook usage", 2024 to 2026.)
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

from signalpost.domain.change import CancelOrder, Change, Close, CloseReason, Fill, Update
from signalpost.domain.exact import positive, rounded
from signalpost.domain.instant import compact, from_iso
from signalpost.domain.instrument import Instrument, read_pair
from signalpost.domain.notification import Payload
from signalpost.domain.order import OrderKind
from signalpost.domain.reports import Alert, AlertSeverity, SystemStatus
from signalpost.domain.signal import Signal
from signalpost.domain.spellings import read_fields
from signalpost.domain.text import required_text
from signalpost.domain.tier import UserTier
from signalpost.domain.trade import WHOLE, Trade, TradeState
from signalpost.domain.value import Faults
from signalpost.domain.words import member
from signalpost.errors import Fault, InvalidValue, as_text, shown
from signalpost.ingest.kinds import SIGNAL
from signalpost.ingest.send_options import SendOptions, read_options
from signalpost.ingest.templates import Template
from signalpost.web.body import names_and_values
from signalpost.web.hook_signals import HookChange, id_prefix
from signalpost.web.problem import not_understood
from signalpost.web.tokens import Token

Read = TypeVar("Read")

_STRATEGY = "freqtrade"
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
_READ = (*_OWN_NAMES, "stop_loss", "take_profit", "targets", "leverage", "strategy_name")
_SHOWN = (("exchange", "exchange"), ("tag", "enter_tag"))
"""Facts of a trade that a message shows: their names there, and in freqtrade."""
_OF_PART = ("amount", "stake_amount", "open_rate")
"""The fields from which an exit's share follows: the amount that was sold, and the stake that is left."""
_REASON_BY_EXIT = {
    "roi": CloseReason.TARGET,
    **dict.fromkeys(("stop_loss", "trailing_stop_loss", "stoploss_on_exchange", "liquidation"), CloseReason.STOP),
}
"""Any other reason, such as `exit_signal` or `force_exit`, is the strategy's or a person's."""
_SAID_BY_REASON = frozenset(("roi", "stop_loss", "exit"))
"""Exit reasons that add nothing to the reason that the card shows. All others are shown as a note."""
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
_NOT_A_DETAIL = frozenset(("event", "type", "severity", "priority", "user_tier", "tier", "tiers", "context"))
_REASON_BY_IGNORED_EVENT = {
    **dict.fromkeys(("exit", "exit_cancel"), "exits are sent when they are filled"),
    **dict.fromkeys(("protection_trigger", "protection_trigger_global"), "it reports no trade"),
    **dict.fromkeys(("whitelist", "analyzed_df", "new_candle"), "it is only for other bots"),
}
_OF_TRADES = ("entry", "entry_fill", "entry_cancel", "exit_fill")
EVENTS = (*_OF_TRADES, "status", "startup", *_SEVERITY_BY_EVENT, *_REASON_BY_IGNORED_EVENT)
"""Every event of freqtrade (its `RPCMessageType` of September 2026)."""
_AS_JSON = 'Set "format": "json" in freqtrade\'s webhook, and use the dicts from the how-to page'


class Parsed(NamedTuple):
    """The change of a trade's signal; if no signal is found for it, the signal to open."""

    change: HookChange | None = None
    signal: Signal | None = None
    reason: str = ""
    """Why nothing is sent. With a change or a signal: the reason if the book does not allow it."""


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
    data = Template(names_and_values(raw, _AS_JSON, is_form=True))
    options, faults = read_options(data.pairs(), UserTier(token.tier))
    event = _event(data)
    parsed: Parsed | UndatedMessage | None = None
    try:
        if event in _REASON_BY_IGNORED_EVENT:
            parsed = Parsed(reason=f"{event} is not sent: {_REASON_BY_IGNORED_EVENT[event]}")
        elif event in _OF_TRADES:
            parsed = _PARSERS[event](data, token)
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


def _event(data: Template) -> str:
    given = data.value("event", data.value("type"))
    return _word(given).removeprefix("rpcmessagetype.") if isinstance(given, str) else ""


def _unknown_event(data: Template) -> Fault:
    given = data.value("event", data.value("type"))
    if given is None:
        return Fault("missing", f"event is missing. Each dict must contain its event. {_AS_JSON}", "event")
    known = ", ".join(EVENTS)
    return Fault("unknown-word", f"event is {shown(given)}, which is not one of {known}", "event", shown(given), known)


def _ordered(data: Template, token: Token) -> Parsed:
    if _word(data.value("order_type", "")) != "limit":
        return Parsed(reason="a market order is sent when it is filled")
    return Parsed(signal=_signal(data, token, OrderKind.LIMIT), reason="the order of this trade was already sent")


def _filled(data: Template, token: Token) -> Parsed:
    signal = _signal(data, token)
    fill = _change(data, token, signal.pair, Fill(price=signal.entry_price), of_order=True, filled=signal.signal_id)
    return Parsed(fill, signal, "this adds to a trade whose entry was already sent, so it is not sent again")


def _cancelled(data: Template, token: Token) -> Parsed:
    reason = data.value("reason")
    if "replace" in str(reason) or data.value("trade_id") is None:
        return Parsed(reason="another order of the trade replaces this one, or trade_id is not in the dict")
    faults = Faults()
    pair = _pair(data, faults)
    cancel = faults.read(lambda *_: CancelOrder(reason=reason), reason, "reason")
    faults.raise_any()
    assert pair is not None and cancel is not None  # noqa: S101, PT018  # nothing was raised
    change = _change(data, token, pair, cancel, of_order=True)
    return Parsed(change, reason="no order of this trade waits to be filled")


def _exited(data: Template, token: Token) -> Parsed:
    faults = Faults()
    pair, price = _pair(data, faults), _needed(data, "close_rate", positive, faults)
    word = faults.read(required_text, data.value("exit_reason", "exit"), "exit_reason")
    faults.raise_any()
    assert pair is not None and price is not None and word is not None  # noqa: S101, PT018  # nothing was raised
    note = None if word in _SAID_BY_REASON else word
    final = _word(data.value("is_final_exit", ""))
    # Older versions of freqtrade have no `is_final_exit`, but `sub_trade` shows that a part was sold.
    if final != "false" and (final == "true" or _word(data.value("sub_trade", "")) != "true"):
        close = Close(price=price, reason=_REASON_BY_EXIT.get(word, CloseReason.MANUAL), note=note)
        by_hand = Close(price=price, note=word)  # a trailing stop that was not reported, or a roi in loss
        change = _change(data, token, pair, close)
        return Parsed(
            change._replace(change_of=lambda trade: close if trade.can_end_by(close.reason, price) else by_hand)
        )
    sold, stake, entry, leverage = (_number(data.value(name)) for name in (*_OF_PART, "leverage"))
    if not (sold and stake and entry):
        advice = f"Add {', '.join(_OF_PART)} to the dict"
        return Parsed(reason=f"a part of the trade was closed, but the request does not say how much. {advice}")
    left = Fraction(stake) * Fraction(leverage or 1) / Fraction(entry)
    share = Fraction(sold) / (Fraction(sold) + left)
    change = _change(data, token, pair, Update(close_part=rounded(share * WHOLE), price=price, note=note))
    return Parsed(change._replace(change_of=lambda trade: _part(trade, share, price, note)))


def _part(trade: Trade, share: Fraction, price: Decimal, note: str | None) -> Change:
    """A part of what is open, as a share of the initial size."""
    return Update(close_part=rounded((trade.open_share or WHOLE) * share), price=price, note=note)


_PARSERS = {"entry": _ordered, "entry_fill": _filled, "entry_cancel": _cancelled, "exit_fill": _exited}


def _signal(data: Template, token: Token, order: OrderKind = OrderKind.MARKET) -> Signal:
    """Build the signal of a trade. Raises InvalidValue with all faults."""
    found = read_fields(data.pairs(), SIGNAL.names, _READ)
    found = found.or_else("strategy_name", _STRATEGY).or_else("order", order)
    if "timestamp" in found.fields:
        found.fields["timestamp"] = _in_utc(found.fields["timestamp"])
    if data.value("trade_id") is None:
        found = found._replace(faults=(*found.faults, _missing("trade_id")))
    signal = SIGNAL.made(found, lambda field: _missing(_OWN_NAMES[field]), ("timeframe",))
    assert isinstance(signal, Signal)  # noqa: S101  # what this kind makes
    try:
        return signal.but(signal_id=f"{_prefix(data, token)}{compact(signal.timestamp)}")
    except InvalidValue as error:
        raise InvalidValue.of_all([fault._replace(field="trade_id") for fault in error.errors]) from None


def _change(
    data: Template, token: Token, pair: Instrument, change: Change, *, of_order: bool = False, filled: str = ""
) -> HookChange:
    """A change of the signal of a trade. With `of_order`, only of a live one that was sent before it was filled.

    The order with the id `filled` may also have ended: it was filled while it was cancelled.
    """
    prefix = _prefix(data, token)
    facts = [str(data.value(name)) for name in ("open_date", *_OF_PART)]
    name = f"trade {data.value('trade_id')} of {pair}"

    def is_own(trade: Trade) -> bool:
        is_its = trade.signal.signal_id.startswith(prefix)
        is_order = trade.signal.order.is_pending and (trade.state.is_live or _is_unfilled(trade, filled))
        return is_its and (is_order or not of_order)

    return HookChange(f"{prefix}{_hashed(repr((change, facts)))} hook", name, pair, is_own, lambda _: change)


def _is_unfilled(trade: Trade, signal_id: str) -> bool:
    return trade.signal.signal_id == signal_id and trade.state in {TradeState.CANCELLED, TradeState.EXPIRED}


def _pair(data: Template, faults: Faults) -> Instrument | None:
    """The pair of a trade, which needs a `trade_id`."""
    _needed(data, "trade_id", lambda value, _: value, faults)
    return _needed(data, "pair", read_pair, faults)


def _needed(data: Template, name: str, convert: Callable[[Any, str], Read], faults: Faults) -> Read | None:
    if (value := data.value(name)) is not None:
        return faults.read(convert, value, name)
    faults.found.append(_missing(name))
    return None


def _prefix(data: Template, token: Token) -> str:
    """The beginning of the ids of a trade's signals. A time follows, because each dry run counts its trades from 1."""
    return f"{id_prefix(token.name)}{str(data.value('exchange', '')).lower()}:{data.value('trade_id')}:"


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
        raise InvalidValue.of(name, text, "use text", code="not-text")
    return text


def _details(data: Template) -> str:
    """The other facts in a dict, one per line."""
    return "\n".join(f"{name}: {as_text(value)}" for name, value in data.pairs() if _word(name) not in _NOT_A_DETAIL)


def _in_utc(value: object) -> object:
    """Add UTC, freqtrade's zone, to a time without a zone. Invalid values stay, and their check rejects them."""
    if not isinstance(value, str):
        return value
    try:
        moment = from_iso(value.strip())
    except ValueError:
        return value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _facts(data: Template) -> dict[str, object]:
    return {shown_as: as_text(value) for shown_as, name in _SHOWN if (value := data.value(name)) is not None}


def _number(value: Any) -> Decimal | None:
    try:
        return positive(value, "number")
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

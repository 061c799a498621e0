"""Parses bodies sent to `/api/v1`; unknown or invalid values are faults. Pure."""

import hashlib
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

from signalpost.delivery.outbox.book import FindTrades
from signalpost.domain.exact import whole
from signalpost.domain.instrument import read_pair
from signalpost.domain.notification import Payload
from signalpost.domain.seconds import duration
from signalpost.domain.sent import as_sent
from signalpost.domain.signal import Signal
from signalpost.domain.tier import UserTier
from signalpost.domain.trade import TradeState
from signalpost.domain.value import Conversions, Faults
from signalpost.domain.words import member
from signalpost.errors import Fault, InvalidValue, shown
from signalpost.ingest import changes
from signalpost.ingest.kinds import SIGNAL, Kind
from signalpost.ingest.send_options import SendOptions, good_until, read_options
from signalpost.web.problem import Problem, count_of, not_understood
from signalpost.web.tokens import Token

MOST_LISTED = 1000
"""Signals in one answer."""
_USUALLY_LISTED = 100
_LONGEST_KEY = 255
_GOOD_FOR = "good_for"
_LONGEST_LIMIT = 10


class ApiRequest(NamedTuple):
    """A valid request."""

    payload: Payload
    options: SendOptions
    is_repeatable: bool
    """True if a repeat of the same body is recognised as a duplicate."""
    needs_first_time: bool
    """True if a repeat must get the time of the first request, because the body has none."""


def read(kind: Kind, body: Mapping[str, Any], token: Token, idempotency_key: str | None) -> ApiRequest:
    """Parse `body`. A signal without a strategy gets the token's name as its strategy.

    With an idempotency key and no id, the id is derived from the token's name and the key. Raises Problem with all
    faults.
    """
    key = None if idempotency_key is None else _checked(idempotency_key)
    body, wanted = _without_good_for(body, kind)
    found = kind.read(body)
    others = [(name, value) for name, value in body.items() if kind.names.place(name) is None]
    options, faults = read_options(others, UserTier(token.tier))
    if key is not None:
        found = found.or_else(kind.id_field, derived_id(token, key))
    if kind is SIGNAL:
        found = found.or_else("strategy_name", token.name)
    made: Payload | None = None
    try:
        made = kind.made(found)
        if wanted is not None and isinstance(made, Signal):
            made = good_until(made, duration(wanted, _GOOD_FOR), _GOOD_FOR, has_time=True)
    except InvalidValue as error:
        faults = [*error.errors, *faults]
    if made is None or faults:
        raise not_understood(faults)
    is_repeatable = kind is SIGNAL or kind.id_field in found.fields
    return ApiRequest(made, options, is_repeatable, is_repeatable and "timestamp" not in found.fields)


def _without_good_for(body: Mapping[str, Any], kind: Kind) -> tuple[Mapping[str, Any], Any]:
    """Split `good_for` from the other fields of a signal's body."""
    if kind is not SIGNAL:
        return body, None
    return {name: value for name, value in body.items() if name != _GOOD_FOR}, body.get(_GOOD_FOR)


def read_change(verb: str, body: Mapping[str, Any]) -> changes.ReadChange:
    """Parse the body of a change. Raises Problem with all faults."""
    try:
        return changes.read_change(verb, body)
    except InvalidValue as error:
        raise not_understood(error.errors) from None


def change_key(token: Token, key: str | None) -> str | None:
    """The key of a change for an Idempotency-Key of `token`, if there is one. Raises Problem if it is invalid."""
    return None if key is None else f"{derived_id(token, _checked(key))}\tchange"  # no signal's id has a tab


def request_of(name: str, verb: str, read: changes.ReadChange) -> bytes:
    """A hash of a request to change a signal. It does not depend on the order of the fields."""
    return hashlib.blake2s(msgspec.json.encode((name, verb, read.change, read.if_version))).digest()


def read_query(pairs: Iterable[tuple[str, str]], tiers: frozenset[UserTier]) -> FindTrades:
    """Parse the query of a list of signals, for a token that may see `tiers`. Raises Problem 400 with all faults."""
    faults, found = Faults(), dict[str, Any]()
    for name, value in pairs:
        if name not in _QUERY:
            text = f"{shown(name)} is not a parameter here: use {_QUERY_NAMES}"
            faults.found.append(Fault("unknown-field", text, as_sent(name), shown(name), _QUERY_NAMES))
        elif name in found:
            faults.found.append(Fault("conflict", f"{name} is set twice: send it once", name, shown(value)))
        else:
            found[name] = faults.read(_QUERY[name], value, name)
    if faults.found:
        detail = f"The query has {count_of(faults.found)}; see `errors`."
        raise Problem(HTTPStatus.BAD_REQUEST, detail, faults=faults.found)
    found.setdefault("limit", _USUALLY_LISTED)
    return FindTrades(**{_FIELD_BY_NAME.get(name, name): value for name, value in found.items()}, tiers=tiers)


def _limit(value: str, name: str) -> int:
    number = int(value) if value.isascii() and value.isdigit() and len(value) < _LONGEST_LIMIT else None
    return whole(value if number is None else number, name, most=MOST_LISTED)


_QUERY: Conversions = {
    "state": lambda value, name: frozenset({member(TradeState, value, name)}),
    "pair": read_pair,
    "limit": _limit,
}
_FIELD_BY_NAME = {"state": "states"}
_QUERY_NAMES = ", ".join(_QUERY)


def derived_id(token: Token, key: str) -> str:
    """The id for an idempotency key of `token`; the same two always give the same id."""
    return f"{token.name}:{hashlib.blake2s(key.encode(), digest_size=16).hexdigest()}"


def _checked(key: str) -> str:
    if not key.strip() or len(key) > _LONGEST_KEY or not key.isprintable():
        text = f"Idempotency-Key is {shown(key)}, but it must be 1 to {_LONGEST_KEY} printable characters."
        fault = Fault("invalid-key", text, "Idempotency-Key", shown(key), f"1 to {_LONGEST_KEY} printable characters")
        raise Problem(HTTPStatus.BAD_REQUEST, text, faults=[fault])
    return key.strip()

"""What a body to `/api/v1` says: the values by their names, strictly. Pure."""

import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from signalpost.domain.notification import Payload
from signalpost.domain.text import shown
from signalpost.domain.tier import UserTier
from signalpost.errors import Fault, InvalidValue
from signalpost.ingest.kinds import SIGNAL, Kind
from signalpost.ingest.send_options import SendOptions, read_options
from signalpost.web.problem import Problem, not_understood
from signalpost.web.tokens import Token

_LONGEST_KEY = 255


class ApiRequest(NamedTuple):
    """What is told, and how."""

    payload: Payload
    options: SendOptions
    is_repeatable: bool
    """Whether the same body again is known to be the same thing."""
    needs_first_time: bool
    """Whether for that it must get the time of the first, because the body names none."""


def read(kind: Kind, body: Mapping[str, Any], token: Token, idempotency_key: str | None) -> ApiRequest:
    """What `body` tells. A signal that names no strategy is of a strategy called as the token is.

    Where it names no id, and there is an idempotency key, the id is derived from the token's name and the key. Raises
    Problem with all faults.
    """
    key = None if idempotency_key is None else _checked(idempotency_key)
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
    except InvalidValue as error:
        faults = [*error.errors, *faults]
    if made is None or faults:
        raise not_understood(faults)
    is_repeatable = kind is SIGNAL or kind.id_field in found.fields
    return ApiRequest(made, options, is_repeatable, is_repeatable and "timestamp" not in found.fields)


def derived_id(token: Token, key: str) -> str:
    """The id of what `token` tells under an idempotency key: the same for the same two."""
    return f"{token.name}:{hashlib.blake2s(key.encode(), digest_size=16).hexdigest()}"


def _checked(key: str) -> str:
    if not key.strip() or len(key) > _LONGEST_KEY or not key.isprintable():
        text = f"the Idempotency-Key is {shown(key)}: give 1 to {_LONGEST_KEY} printable characters"
        fault = Fault("invalid-key", text, "Idempotency-Key", shown(key), f"1 to {_LONGEST_KEY} printable characters")
        raise Problem(HTTPStatus.BAD_REQUEST, text, faults=[fault])
    return key.strip()

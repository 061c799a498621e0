"""What a body to `/api/v1` tells: the values by their names, strictly. Pure."""

import hashlib
from collections.abc import Mapping
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any, NamedTuple

from signalpost.domain.notification import Payload
from signalpost.domain.text import shown
from signalpost.domain.tier import UserTier
from signalpost.web.door import Wishes
from signalpost.web.kinds import SIGNAL, WISHES, Kind, in_small_letters, wishes
from signalpost.web.problem import Fault, Problem, not_understood
from signalpost.web.tokens import Token

_LONGEST_KEY = 255


class Told(NamedTuple):
    """What is told, and how."""

    payload: Payload
    wishes: Wishes
    is_repeatable: bool
    """Whether the same body again is known to be the same thing."""
    needs_its_first_time: bool
    """Whether for that it must get the time of the first, because the body names none."""


def read(kind: Kind, body: Mapping[str, Any], token: Token, idempotency_key: str | None) -> Told:
    """What `body` tells. A signal that names no strategy is of a strategy called as the token is.

    Where it names no id, and there is an idempotency key, the id is derived from the token's name and the key. Raises
    Problem with all faults.
    """
    key = None if idempotency_key is None else _checked(idempotency_key)
    data = in_small_letters(body)
    asked, faults = wishes(data, UserTier(token.tier))
    fields, called = kind.found(data)
    if "context" in kind.spellings:
        asked = asked._replace(context={})
        if "context" in fields and not faults:
            fields["context"] = wishes(data, UserTier(token.tier))[0].context
    faults += _unknown(kind, body)
    if key is not None:
        fields.setdefault(kind.id_field, derived_id(token, key))
    if kind is SIGNAL:
        fields.setdefault("strategy_name", token.name)
    made = kind.made(fields, called)
    if isinstance(made, list):
        faults = [*made, *(fault for fault in faults if fault not in made)]
    if faults or isinstance(made, list):
        raise not_understood(faults)
    is_repeatable = kind is SIGNAL or kind.id_field in fields
    return Told(made, asked, is_repeatable, is_repeatable and "timestamp" not in fields)


def derived_id(token: Token, key: str) -> str:
    """The id of what `token` tells under an idempotency key: the same for the same two."""
    return f"{token.name}:{hashlib.blake2s(key.encode(), digest_size=16).hexdigest()}"


def _checked(key: str) -> str:
    if not key.strip() or len(key) > _LONGEST_KEY or not key.isprintable():
        detail = f"the Idempotency-Key is {shown(key)}: give 1 to {_LONGEST_KEY} printable characters"
        raise Problem(HTTPStatus.BAD_REQUEST, detail)
    return key.strip()


def _unknown(kind: Kind, body: Mapping[str, Any]) -> list[Fault]:
    """Names that mean nothing here, for a misspelt stop is a signal without one; and names that stand twice."""
    known = sorted({name for names in kind.spellings.values() for name in names} | WISHES)
    faults, seen = [], set()
    for name, value in body.items():
        small = name.strip().lower()
        if small == "kind" and value == kind.word:  # as a value's own JSON says it
            continue
        if small not in known:
            near = get_close_matches(small[:40], known, n=1)
            meant = f" (do you mean {near[0]}?)" if near else ""
            faults.append(Fault(name, f"{shown(name)} is no field of {kind.word}{meant}: put facts into `context`"))
        elif small in seen:
            faults.append(Fault(name, f"{shown(name)} stands twice, in other letters"))
        seen.add(small)
    return faults

"""Stable ids: the same input always gets the same id."""

import hashlib
import re
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from signalpost.domain.instant import compact
from signalpost.domain.text import LONGEST_ID

if TYPE_CHECKING:
    from signalpost.domain.signal import Signal

BY_HAND = "Manual"
"""The `strategy_name` of a signal that a person published, without a strategy."""
_NOT_IN_SLUG = re.compile(r"[^a-z0-9]+")
_LONGEST_SLUG = 60


def slug(name: str) -> str:
    """`name` as part of an id: lowercase letters, digits and `-`.

    Names that differ only in case and punctuation have the same slug. If the slug would lose more than that, because
    the name is not ASCII or too long, it ends with a short hash of the name.
    """
    plain = _NOT_IN_SLUG.sub("-", name.lower()).strip("-")
    if plain and name.isascii() and len(plain) <= _LONGEST_SLUG:
        return plain
    return f"{plain[:_LONGEST_SLUG]}-{_short_hash(name)}".strip("-")


def content_id(kind: str, instant: datetime, *content: object) -> str:
    """An id from `kind`, `instant` and a short hash of the content."""
    return f"{slug(kind)}:{compact(instant)}:{_short_hash(repr(content))}"


def fitted_id(derived: str) -> str:
    """`derived`, or if that is too long for an id, its beginning and a short hash of the whole."""
    if len(derived) <= LONGEST_ID:
        return derived
    return f"{derived[: LONGEST_ID - 9]}:{_short_hash(derived)}"


def short_id(payload_id: str, run: str | None = None) -> str:
    """Six hex digits that identify a payload in every message about it; `run` is the id of its replay."""
    key = payload_id if run is None else f"{run}/{payload_id}"
    return hashlib.blake2s(f"{key} new".encode(errors="replace"), digest_size=6).hexdigest()[:6]


def _short_hash(text: str) -> str:
    return hashlib.blake2s(text.encode(), digest_size=4).hexdigest()


NO_STRATEGY = "signal"
"""The strategy in the id of a signal without one."""


def derived_id(signal: "Signal", start: str) -> str:
    """The default id of `signal`: `start` (its `id_start`), timeframe if it has one, side and candle."""
    timeframe = "" if signal.timeframe is None else f"{signal.timeframe}:"
    return f"{start}:{timeframe}{signal.signal_type}:{compact(signal.timestamp)}"


@lru_cache(maxsize=256)
def id_start(strategy: str, symbol: str) -> str:
    """How the default ids of a strategy's signals begin: with its slug and the symbol."""
    return f"{strategy_slug(strategy)}:{symbol}"


@lru_cache(maxsize=256)
def strategy_slug(name: str) -> str:
    """A strategy's name in signal ids: `MA Unified Strategy` becomes `ma-unified`."""
    return slug(name).removesuffix("-strategy")

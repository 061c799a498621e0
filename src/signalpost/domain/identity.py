"""Names that are the same each time the same thing is told."""

import hashlib
import re
from datetime import datetime

from signalpost.domain.instant import compact
from signalpost.domain.text import LONGEST_ID

_NO_NAME = re.compile(r"[^a-z0-9]+")
_LONGEST_SLUG = 60


def slug(name: str) -> str:
    """`name` as it stands in an id: small letters, digits and `-`.

    Names that differ only in case and punctuation share it. Where more would be lost (no ASCII, or too long), a short
    hash of the name is added.
    """
    plain = _NO_NAME.sub("-", name.lower()).strip("-")
    if plain and name.isascii() and len(plain) <= _LONGEST_SLUG:
        return plain
    return f"{plain[:_LONGEST_SLUG]}-{_short_hash(name)}".strip("-")


def content_id(kind: str, instant: datetime, *content: object) -> str:
    """An id of `kind` at `instant`, told apart from its neighbours by a short hash of its content."""
    return f"{slug(kind)}:{compact(instant)}:{_short_hash(repr(content))}"


def fitted_id(derived: str) -> str:
    """`derived` itself where an id may be as long, else cut, with a short hash of all of it."""
    if len(derived) <= LONGEST_ID:
        return derived
    return f"{derived[: LONGEST_ID - 9]}:{_short_hash(derived)}"


def _short_hash(text: str) -> str:
    return hashlib.blake2s(text.encode(), digest_size=4).hexdigest()

"""Builds an embed from a card and cuts it to Discord's limits."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from hashlib import blake2s
from typing import Any, NamedTuple

from signalpost.domain.context import Fact
from signalpost.domain.instant import iso
from signalpost.domain.notification import Notification
from signalpost.sinks.discord import limits
from signalpost.sinks.discord.escape import BLANK, cleaned, cut, escaped

GREEN, RED = 0x00FF00, 0xFF0000

_LONGEST_RUN = 60


class Field(NamedTuple):
    """A labelled value of an embed, already escaped."""

    name: str
    value: str


class Card(NamedTuple):
    """The contents of an embed before they are cut to fit."""

    headline: str
    """One line for the message's content, shown in phone notifications and read first by programs."""
    title: str
    colour: int
    at: datetime
    text: str = ""
    fields: tuple[Field, ...] = ()
    """The fixed fields, most important first; the last ones are dropped if space is short."""
    facts: tuple[tuple[str, Fact], ...] = ()
    """Extra facts of the payload, in the order given; shown after the fields if they fit."""


def embed(card: Card, notification: Notification, *, may_repeat: bool, most: int = limits.SUM) -> dict[str, Any]:
    """Build an embed from `card` with at most `most` code points."""
    title = escaped(card.title, limits.TITLE)
    footer = _footer(notification, may_repeat=may_repeat)
    space = most - len(title) - len(footer)
    text = escaped(card.text, limits.DESCRIPTION) if card.text else BLANK
    kept_for_text = min(len(text), space // 2) if text != BLANK else 0
    fields, length = _that_fit(card.fields, space - kept_for_text)
    space -= length
    made: dict[str, Any] = {"title": title}
    if text != BLANK and space > 0:
        made["description"] = cut(text, space)
        space -= len(made["description"])
    fields += _facts((*card.facts, *notification.context.items()), limits.FIELDS - len(fields), space)
    if fields:
        made["fields"] = [{"name": name, "value": value, "inline": True} for name, value in fields]
    return made | {"color": card.colour, "timestamp": iso(card.at), "footer": {"text": footer}}


def short_id(notification: Notification) -> str:
    """Twelve hex digits that identify a notification; the same in every attempt."""
    return blake2s(notification.key.encode(errors="replace"), digest_size=6).hexdigest()


def when(instant: datetime) -> str:
    """Format `instant` for Discord, which shows it in each reader's time zone, absolute and relative."""
    seconds = int(instant.timestamp())
    return f"<t:{seconds}:f> (<t:{seconds}:R>)"


def field(name: str, text: str, most: int = limits.FIELD_VALUE) -> Field:
    """Make a field with `text` escaped."""
    return Field(name, escaped(text, most))


def _footer(notification: Notification, *, may_repeat: bool) -> str:
    parts = [f"id {short_id(notification)}"]
    if may_repeat:
        parts.append("may repeat")
    if notification.run is not None:
        parts.append(f"replay {cleaned(notification.run, _LONGEST_RUN)}")
    return " | ".join(parts)


def _that_fit(fields: Iterable[Field], space: int) -> tuple[list[Field], int]:
    """The leading fields that fit in `space`, and their total length."""
    fitting, length = [], 0
    for each in fields:
        length_with_it = length + len(each.name) + len(each.value)
        if length_with_it > space:  # a field is never cut, because half a price is a wrong price
            break
        fitting.append(each)
        length = length_with_it
    return fitting, length


def _facts(facts: tuple[tuple[str, Fact], ...], places: int, space: int) -> list[Field]:
    made = (Field(_label(name[: limits.FIELD_NAME]), _shown(value)) for name, value in facts[:places])
    fitting, _ = _that_fit(made, space)
    if len(fitting) == len(facts):
        return fitting
    for kept in range(min(len(fitting), places - 1), -1, -1):  # replace the last with a count
        shown = [*fitting[:kept], Field("More", f"{len(facts) - kept} left out")]
        if _length(shown) <= space:
            return shown
    return []


@lru_cache(maxsize=512)
def _label(name: str) -> str:
    words = " ".join(word[:1].upper() + word[1:] for word in name.replace("_", " ").split())
    return escaped(words, limits.FIELD_NAME)


def _shown(value: Fact) -> str:
    if value is None:
        return BLANK
    if isinstance(value, bool):
        return "yes" if value else "no"
    return escaped(str(value), limits.FIELD_VALUE)


def _length(fields: Iterable[Field]) -> int:
    return sum(len(each.name) + len(each.value) for each in fields)

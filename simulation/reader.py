"""Reads the messages of trades as a subscriber's program does: the number in the footer, the state in the title."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

_NUMBER = re.compile(r"#(\d+)\b")
_STATE = re.compile(r"(?:REPLAY · )?[▲▼] (?:(?P<new>(?:BUY|SELL)\b.*)|(?:[A-Z]+/[A-Z]+ · )?(?P<state>.+))")
_SEVERAL = re.compile(r"(\d+) UPDATES\b")
_NOTE = re.compile(r"^-# see (c\d+)$", re.MULTILINE)
NEW = "NEW"
"""The state of a card that shows an order to enter."""
ENDED = ("CLOSED ", "STOPPED", "REVERSED", "CANCELLED", "EXPIRED")
"""How the states of ended trades begin."""


class Card(NamedTuple):
    """What a card says."""

    number: int
    state: str
    note: str | None
    """The ref of the change whose note it shows."""
    replaces: bool
    may_repeat: bool

    @property
    def is_ended(self) -> bool:
        """True if the trade is over."""
        return f"{self.state} ".startswith(ENDED)

    @property
    def shown(self) -> tuple[str, str | None]:
        """What distinguishes the versions of a trade."""
        return self.state, self.note


class Companion(NamedTuple):
    """A second message beside a card, or the line of one trade in it."""

    number: int
    word: str
    may_repeat: bool


def card_in(embed: Mapping[str, Any]) -> Card | None:
    """Read a card; None for another embed."""
    footer, title, text = embed["footer"]["text"], embed.get("title", ""), embed.get("description", "")
    number, state = _NUMBER.match(footer), _STATE.match(title)
    if number is None or state is None:
        return None
    note = _NOTE.search(text)
    return Card(
        int(number[1]),
        NEW if state["new"] else state["state"],
        note[1] if note else None,
        "-# Replaces a " in text,
        "may repeat" in footer,
    )


def companions_in(body: Mapping[str, Any]) -> tuple[Companion, ...]:
    """Read the companion of one trade, or of several; empty for another message."""
    content = body.get("content") or ""
    first, *lines = content.split("\n")
    if body.get("embeds") or _NUMBER.search(first) is None:
        return ()
    several = _SEVERAL.match(first)
    told = lines[: int(several[1])] if several else [first]
    numbers = [_NUMBER.search(line) for line in told]
    return tuple(
        Companion(int(number[1]), line.partition(" · ")[0], "MAY REPEAT" in content)
        for number, line in zip(numbers, told, strict=True)
        if number is not None
    )

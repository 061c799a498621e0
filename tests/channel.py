"""Reads what a channel shows: the headline of a message, and a fact that its caller added."""

import re
from collections.abc import Mapping
from typing import Any

_PRICE_OR_NUMBER = re.compile(r" [@#]")


def headline(message: Mapping[str, Any]) -> str:
    """The subject of a message, without prices and numbers: `BUY EURUSD (may repeat)`, `▲ CLOSED · EURUSD`."""
    line, _, _ = message["content"].partition("\n")
    name = _PRICE_OR_NUMBER.split(line)[0]
    title = message["embeds"][0].get("title", "")
    side = title[:2] if title[:1] in {"▲", "▼"} and not name.startswith(("BUY", "SELL")) else ""
    return f"{side}{name} (may repeat)" if is_marked(message) else f"{side}{name}"


def is_marked(message: Mapping[str, Any]) -> bool:
    """True if a message says that it may be a repeat."""
    return any("may repeat" in embed["footer"]["text"] for embed in message["embeds"])


def fact(embed: Mapping[str, Any], name: str) -> str | None:
    """The value of a fact that the caller added; None if it is not shown."""
    found = re.search(rf"^-# (?:.* · )?{name} (.+?)(?: · |$)", embed.get("description", ""), re.MULTILINE)
    return found and found[1]

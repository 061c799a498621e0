"""The messages as a person sees them in the channel: their signals, and marks of possible repeats."""

import re
from collections import Counter
from collections.abc import Sequence

from tests.independent_discord.http_messages import Request

NAME = "Name"
"""The fact that identifies a signal of these tests."""
_FACT = re.compile(rf"^-# .*\b{NAME} (\S+)", re.MULTILINE)


def name_of(request: Request) -> str:
    """The name in a message; empty if it has none."""
    embeds = (request.body or {}).get("embeds", [])
    found = (_FACT.search(embed.get("description", "")) for embed in embeds)
    return next((each[1] for each in found if each), "")


def is_marked(request: Request) -> bool:
    """Whether a message says that it may be a repeat."""
    return any("may repeat" in embed["footer"]["text"] for embed in request.body["embeds"])


def names(requests: Sequence[Request]) -> list[str]:
    """The names in messages, in order."""
    return [name_of(each) for each in requests]


def repeats(shown: Sequence[Request]) -> dict[str, int]:
    """The names shown more than once, with the number of repeats."""
    return {name: times - 1 for name, times in Counter(names(shown)).items() if times > 1}


def unmarked_repeats(shown: Sequence[Request]) -> list[str]:
    """The names of repeats without a mark."""
    seen: set[str] = set()
    found = []
    for each in shown:
        if (name := name_of(each)) in seen and not is_marked(each):
            found.append(name)
        seen.add(name)
    return found

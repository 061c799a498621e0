"""What a person sees in the channel: which signal a message tells of, and whether it is marked as a possible repeat."""

from collections import Counter
from collections.abc import Sequence

from tests.foreign.http_talk import Request

NAME = "Name"
"""The fact by which a signal of these tests is known again."""


def name_of(request: Request) -> str:
    """The name in a message; empty where it has none."""
    embeds = (request.body or {}).get("embeds", [])
    return next((each["value"] for embed in embeds for each in embed.get("fields", []) if each["name"] == NAME), "")


def is_marked(request: Request) -> bool:
    """Whether a message says that it may repeat one before."""
    return "(may repeat)" in request.body["content"]


def names(requests: Sequence[Request]) -> list[str]:
    """What messages tell of, in their order."""
    return [name_of(each) for each in requests]


def repeats(shown: Sequence[Request]) -> dict[str, int]:
    """What stands there more than once, and how often more."""
    return {name: times - 1 for name, times in Counter(names(shown)).items() if times > 1}


def unmarked_repeats(shown: Sequence[Request]) -> list[str]:
    """What is repeated without a mark."""
    seen: set[str] = set()
    found = []
    for each in shown:
        if (name := name_of(each)) in seen and not is_marked(each):
            found.append(name)
        seen.add(name)
    return found

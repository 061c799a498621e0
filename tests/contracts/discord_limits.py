"""Discord's limits on a message from its documentation, in addition to its schema.

Written from the documentation alone, so that it shares no code with the code that it checks.
"""

from collections.abc import Iterator
from typing import Any

from tests.contracts.json_schema import faults


def refusals(body: dict[str, Any]) -> list[str]:
    """Why Discord would refuse `body` as a webhook's message; empty if it would not."""
    found = faults(body, "IncomingWebhookRequestPartial")
    if found:
        return found
    content, embeds = body.get("content", "").strip(), body.get("embeds", [])
    texts = [text for number, embed in enumerate(embeds) for text in _texts(number, embed)]
    found += [f"{where}: empty" for where, text, _ in texts if not text]
    found += [f"{where}: {len(text)} of {most}" for where, text, most in texts if len(text) > most]
    checks = {
        "an empty message": not content and not embeds,
        "content: more than 2000": len(content) > 2000,
        "flags: one that a webhook may not set": body.get("flags", 0) & ~(4 + 4096) != 0,
        "fields: more than 25": any(len(embed.get("fields", [])) > 25 for embed in embeds),
        "the sum is more than 6000": sum(len(text) for _, text, _ in texts) > 6000,
    }
    return found + [problem for problem, is_so in checks.items() if is_so]


def _texts(number: int, embed: dict[str, Any]) -> Iterator[tuple[str, str, int]]:
    """The counted texts of an embed, each with its place and its limit."""
    for name, most in (("title", 256), ("description", 4096)):
        if name in embed:
            yield f"{number}.{name}", embed[name].strip(), most
    if "footer" in embed:
        yield f"{number}.footer", embed["footer"].get("text", "").strip(), 2048
    for place, field in enumerate(embed.get("fields", [])):
        yield f"{number}.{place}.name", field["name"].strip(), 256
        yield f"{number}.{place}.value", field["value"].strip(), 1024


def pings(body: dict[str, Any]) -> bool:
    """Whether the message could mention anybody."""
    return body.get("allowed_mentions") != {"parse": []}

"""Cloudflare's bans by User-Agent, which apply before a request reaches Discord."""

import re

from signalpost.sandbox.rules.exchange import HttpAnswer, HttpRequest

_BANNED = re.compile(r"(python-urllib|libwww-perl|java)/", re.IGNORECASE)
"""Default names of HTTP libraries. Discord requires `DiscordBot (url, version)`."""
_REFUSED = HttpAnswer(403, {"Content-Type": "text/plain; charset=UTF-8"}, b"error code: 1010")


def refused_agent(request: HttpRequest) -> HttpAnswer | None:
    """The answer to a missing or banned User-Agent, else None."""
    agent = request.headers.get("user-agent", "").strip()
    return _REFUSED if not agent or _BANNED.match(agent) else None

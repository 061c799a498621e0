"""The clients that Cloudflare turns away before Discord sees their request, by their User-Agent."""

import re

from signalpost.sandbox.rules.exchange import HttpAnswer, HttpRequest

_BANNED = re.compile(r"(python-urllib|libwww-perl|java)/", re.IGNORECASE)
"""What libraries call themselves if nobody sets a name. Discord asks for `DiscordBot (url, version)`."""
_REFUSED = HttpAnswer(403, {"Content-Type": "text/plain; charset=UTF-8"}, b"error code: 1010")


def refused_agent(request: HttpRequest) -> HttpAnswer | None:
    """The answer to a request without a User-Agent or with a banned one; None for any other."""
    agent = request.headers.get("user-agent", "").strip()
    return _REFUSED if not agent or _BANNED.match(agent) else None

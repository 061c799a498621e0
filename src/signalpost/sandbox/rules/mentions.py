"""Who is pinged: what stands in the content, as far as `allowed_mentions` allows it.

Mentions in embeds never ping. What a webhook may do unasked is to ping users (Discord's docs, Execute Webhook).
"""

import re
from typing import Any, NamedTuple

_USER = re.compile(r"<@!?(\d{1,20})>", re.ASCII)
_ROLE = re.compile(r"<@&(\d{1,20})>", re.ASCII)
_EVERYONE = re.compile(r"@(everyone|here)\b")
_UNASKED = {"parse": ["users"]}


class Pings(NamedTuple):
    """Whom a message calls."""

    users: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    everyone: tuple[str, ...] = ()
    """`everyone`, `here`, or both."""

    def names(self) -> list[str]:
        """All of them in one list, as `user:1`, `role:2`, `everyone`."""
        return [*(f"user:{user}" for user in self.users), *(f"role:{role}" for role in self.roles), *self.everyone]


def pings_of(content: str, allowed: dict[str, Any] | None) -> Pings:
    """Whom `content` pings under `allowed`, which has been checked; None is what holds when nothing was asked."""
    asked = _UNASKED if allowed is None else allowed
    parse = asked.get("parse") or []
    return Pings(
        users=_allowed(_USER.findall(content), asked, parse, "users"),
        roles=_allowed(_ROLE.findall(content), asked, parse, "roles"),
        everyone=tuple(dict.fromkeys(_EVERYONE.findall(content))) if "everyone" in parse else (),
    )


def _allowed(named: list[str], asked: dict[str, Any], parse: list[str], kind: str) -> tuple[str, ...]:
    listed = {str(each) for each in asked.get(kind) or []}
    return tuple(dict.fromkeys(each for each in named if kind in parse or each in listed))

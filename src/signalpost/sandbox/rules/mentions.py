"""Finds the mentions in a message's content that ping someone, as `allowed_mentions` permits.

Mentions in embeds never ping. By default a webhook pings users only (Discord's docs, Execute Webhook).
"""

import re
from typing import Any, NamedTuple

_USER = re.compile(r"<@!?(\d{1,20})>", re.ASCII)
_ROLE = re.compile(r"<@&(\d{1,20})>", re.ASCII)
_EVERYONE = re.compile(r"@(everyone|here)\b")
_DEFAULT = {"parse": ["users"]}


class Pings(NamedTuple):
    """The users and roles a message notifies."""

    users: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    everyone: tuple[str, ...] = ()
    """`everyone`, `here`, or both."""

    def names(self) -> list[str]:
        """All pings in one list, as `user:1`, `role:2`, `everyone`."""
        return [*(f"user:{user}" for user in self.users), *(f"role:{role}" for role in self.roles), *self.everyone]


def pings_of(content: str, allowed: dict[str, Any] | None) -> Pings:
    """Find the pings in `content` under `allowed`, already checked; None applies Discord's default."""
    rules = _DEFAULT if allowed is None else allowed
    parse = rules.get("parse") or []
    return Pings(
        users=_allowed(_USER.findall(content), rules, parse, "users"),
        roles=_allowed(_ROLE.findall(content), rules, parse, "roles"),
        everyone=tuple(dict.fromkeys(_EVERYONE.findall(content))) if "everyone" in parse else (),
    )


def _allowed(named: list[str], rules: dict[str, Any], parse: list[str], kind: str) -> tuple[str, ...]:
    listed = {str(each) for each in rules.get(kind) or []}
    return tuple(dict.fromkeys(each for each in named if kind in parse or each in listed))

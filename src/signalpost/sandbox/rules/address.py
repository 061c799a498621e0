"""Parses the paths of webhook requests."""

import re
from typing import NamedTuple

from signalpost.sandbox.rules.refusal import Refusal

_PATH = re.compile(
    r"/api(?:/v(?P<version>\d{1,3}))?/webhooks/(?P<webhook>[\w.-]{1,100})/(?P<token>[\w.-]{1,200})"
    r"(?:/messages/(?P<message>\d{1,20})|/(?P<form>slack))?/?",
    re.ASCII,
)
_VERSIONS = range(6, 11)
_METHODS_OF_A_WEBHOOK = frozenset({"GET", "POST", "PATCH", "DELETE"})
_METHODS_OF_A_MESSAGE = frozenset({"GET", "PATCH", "DELETE"})
_METHODS_OF_SLACK = frozenset({"POST"})


class Address(NamedTuple):
    """The webhook and the optional message in a path."""

    webhook: str
    token: str
    message: str | None
    is_slack: bool = False
    """The body is in Slack's format."""

    def __repr__(self) -> str:
        return f"Address({self.webhook})"


def address_of(path: str) -> Address | None:
    """Parse `path`; None if it is not a webhook path."""
    found = _PATH.fullmatch(path)
    return Address(found["webhook"], found["token"], found["message"], found["form"] is not None) if found else None


def refuse_unknown_route(method: str, path: str) -> None:
    """Raise Discord's Refusal for an unknown path, version or method."""
    found = _PATH.fullmatch(path)
    if not found:
        raise Refusal(404, 0, "404: Not Found")
    if found["version"] and int(found["version"]) not in _VERSIONS:
        raise Refusal(400, 50041, "Invalid API version")
    methods = _METHODS_OF_A_MESSAGE if found["message"] else _METHODS_OF_A_WEBHOOK
    if method not in (_METHODS_OF_SLACK if found["form"] else methods):
        raise Refusal(405, 0, "405: Method Not Allowed")

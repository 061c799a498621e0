"""Values that go into and out of the rules: the time, a request with its address, an answer, and a refusal.

Discord refuses with a code, a message and, for an invalid form, a tree of errors that mirrors the form.
"""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

NOTHING: Mapping[str, str] = MappingProxyType({})
JSON = MappingProxyType({"Content-Type": "application/json", "Via": "1.1 google"})
"""Headers of answers from Discord itself; answers from its edge have no Via."""


class Moment(NamedTuple):
    """The time of a request, on two clocks."""

    seconds: float
    """Monotonic; used by the rate limits."""
    at: datetime
    """Aware, in UTC; used for ids and timestamps."""


class HttpRequest(NamedTuple):
    """A request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str] = NOTHING
    headers: Mapping[str, str] = NOTHING
    """Keyed by lower-case names."""
    body: bytes = b""
    ip: str = "127.0.0.1"

    def __repr__(self) -> str:
        return f"HttpRequest({self.method}, {len(self.body)} bytes)"  # a path holds a token


class HttpAnswer(NamedTuple):
    """An answer as it leaves."""

    status: int
    headers: Mapping[str, str] = NOTHING
    body: bytes = b""


def json_answer(status: int, value: object) -> HttpAnswer:
    """Encode `value` as a JSON answer from Discord itself."""
    return HttpAnswer(status, JSON, msgspec.json.encode(value))


INVALID_FORM = 50035
UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK = 10003, 10008, 10015
OLD_EDITS = 30046
WRONG_TOKEN = 50027
THREAD_ARCHIVED = 50083
TOO_MANY_REQUESTS = 429
REFUSALS: Mapping[int, tuple[int, str]] = MappingProxyType(
    {
        UNKNOWN_CHANNEL: (404, "Unknown Channel"),
        UNKNOWN_MESSAGE: (404, "Unknown Message"),
        UNKNOWN_WEBHOOK: (404, "Unknown Webhook"),
        OLD_EDITS: (
            TOO_MANY_REQUESTS,
            "Maximum number of edits to messages older than 1 hour reached. Try again later.",
        ),
        WRONG_TOKEN: (401, "Invalid Webhook Token"),
        THREAD_ARCHIVED: (400, "Thread is archived"),
    }
)
"""The status and message of each code that a fault can set without a status."""


class Problem(NamedTuple):
    """An error in a form and its path."""

    path: tuple[str | int, ...]
    code: str
    message: str


class Refusal(Exception):
    """Discord refuses the request."""

    def __init__(self, status: int, code: int, message: str, problems: Iterable[Problem] = ()) -> None:
        super().__init__(f"{status}, code {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.problems = tuple(problems)

    def answer(self) -> HttpAnswer:
        """Build the HTTP answer."""
        body: dict[str, Any] = {"message": self.message, "code": self.code}
        if self.problems:
            body["errors"] = _tree(self.problems)
        return json_answer(self.status, body)


def refusal_of(code: int) -> Refusal:
    """Build the refusal with one of the codes in REFUSALS."""
    status, message = REFUSALS[code]
    return Refusal(status, code, message)


def limited_answer(retry_after: float, code: int | None = None, *, scope: str = "user") -> HttpAnswer:
    """Build a 429 that asks for a wait of `retry_after` seconds. The limit of old edits has scope `shared`."""
    scope = "shared" if code == OLD_EDITS else scope
    message = "The resource is being rate limited." if scope == "shared" else "You are being rate limited."
    body: dict[str, Any] = {"message": message, "retry_after": retry_after, "global": scope == "global"}
    if code is not None:
        body |= {"message": REFUSALS[code][1] if code in REFUSALS else message, "code": code}
    answer = json_answer(TOO_MANY_REQUESTS, body)
    waits = {"X-RateLimit-Scope": scope, "Retry-After": str(math.ceil(retry_after))}
    return answer._replace(headers={**answer.headers, **waits})


def invalid_form(*problems: Problem) -> Refusal:
    """Build the refusal of a form with these problems."""
    return Refusal(400, INVALID_FORM, "Invalid Form Body", problems)


def _tree(problems: Iterable[Problem]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for problem in problems:
        node = root
        for step in problem.path:
            node = node.setdefault(str(step), {})
        node.setdefault("_errors", []).append({"code": problem.code, "message": problem.message})
    return root


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

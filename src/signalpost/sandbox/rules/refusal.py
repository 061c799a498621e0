"""Discord's refusals: a code, a message and, for an invalid form, a tree of errors that mirrors the form."""

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from signalpost.sandbox.rules.exchange import HttpAnswer, json_answer

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
"""The status and message of each code that a fault can ask for by the code alone."""


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

"""Answers on demand: what a webhook does next instead of what it would."""

import math
from collections import deque
from typing import NamedTuple

from signalpost.sandbox.rules.exchange import HttpAnswer, HttpRequest, told

EVERY = "*"
"""Stands for every webhook."""
_CODES = {401: (50027, "Invalid Webhook Token"), 404: (10015, "Unknown Webhook")}


class Fault(NamedTuple):
    """What happens to a request: it is held, processed or not, held again, and then answered or cut off."""

    webhook: str = EVERY
    method: str | None = None
    """None is any method."""
    seconds_before: float = 0.0
    """How long it is held before it is processed."""
    seconds_after: float = 0.0
    """How long its answer is held."""
    answer: HttpAnswer | None = None
    """What is answered instead of what the rules say."""
    is_cut: bool = False
    """The connection is reset instead of an answer."""
    is_processed: bool = True
    """Whether the rules see the request, so that its message is shown whatever is answered."""
    times: int = 1
    """To how many requests it happens."""

    def concerns(self, webhook: str, method: str) -> bool:
        """Whether it is meant for such a request."""
        return self.webhook in (EVERY, webhook) and self.method in (None, method)


class FaultPlan:
    """The faults to come: a request meets the first that concerns it."""

    def __init__(self) -> None:
        self._planned: deque[Fault] = deque()

    def plan(self, fault: Fault) -> None:
        """Let `fault` happen after those planned before it."""
        self._planned.append(fault)

    def clear(self) -> None:
        """Let nothing happen any more."""
        self._planned.clear()

    def pending(self) -> list[Fault]:
        """What is still to come."""
        return list(self._planned)

    def take(self, webhook: str, request: HttpRequest) -> Fault | None:
        """The fault that happens to `request`, which has one time less then."""
        for index, fault in enumerate(self._planned):
            if fault.concerns(webhook, request.method):
                if fault.times > 1:
                    self._planned[index] = fault._replace(times=fault.times - 1)
                else:
                    del self._planned[index]
                return fault
        return None


def usual_answer(status: int, retry_after: float = 1.0) -> HttpAnswer:
    """What most often comes with `status`: 429 with its wait, 401 and 404 with their code, 5xx as the edge's HTML."""
    if status == 429:
        answer = told(429, {"message": "You are being rate limited.", "retry_after": retry_after, "global": False})
        waits = {"Retry-After": str(math.ceil(retry_after)), "X-RateLimit-Scope": "user"}
        return answer._replace(headers={**answer.headers, **waits})
    if status >= 500:
        return HttpAnswer(status, {"Content-Type": "text/html"}, f"<html><h1>{status}</h1></html>".encode())
    code, message = _CODES.get(status, (0, f"{status}: planned in the sandbox"))
    return told(status, {"message": message, "code": code})

"""Planned faults, which replace a webhook's next answers."""

import math
from collections import deque
from typing import NamedTuple

from signalpost.sandbox.rules.exchange import HttpAnswer, HttpRequest, json_answer

EVERY = "*"
"""Matches every webhook."""
_CODES = {401: (50027, "Invalid Webhook Token"), 404: (10015, "Unknown Webhook")}


class Fault(NamedTuple):
    """A fault in a request: hold it, process it or not, hold it again, then answer or reset the connection."""

    webhook: str = EVERY
    method: str | None = None
    """None matches any method."""
    seconds_before: float = 0.0
    """Delay before the request is processed."""
    seconds_after: float = 0.0
    """Delay before the answer is sent."""
    answer: HttpAnswer | None = None
    """Replaces the answer of the rules."""
    is_cut: bool = False
    """Reset the connection instead of answering."""
    is_processed: bool = True
    """Process the request, so that its message is shown whichever answer is sent."""
    times: int = 1
    """Number of requests to apply it to."""

    def applies_to(self, webhook: str, method: str) -> bool:
        """True if it applies to such a request."""
        return self.webhook in (EVERY, webhook) and self.method in (None, method)


class FaultPlan:
    """The pending faults, in order. A request gets the first that applies to it."""

    def __init__(self) -> None:
        self._planned: deque[Fault] = deque()

    def plan(self, fault: Fault) -> None:
        """Add `fault` after those planned earlier."""
        self._planned.append(fault)

    def clear(self) -> None:
        """Remove all pending faults."""
        self._planned.clear()

    def pending(self) -> list[Fault]:
        """The faults not used up yet."""
        return list(self._planned)

    def take(self, webhook: str, request: HttpRequest) -> Fault | None:
        """Find the first fault that applies to `request` and count one use of it."""
        for index, fault in enumerate(self._planned):
            if fault.applies_to(webhook, request.method):
                if fault.times > 1:
                    self._planned[index] = fault._replace(times=fault.times - 1)
                else:
                    del self._planned[index]
                return fault
        return None


def usual_answer(status: int, retry_after: float = 1.0) -> HttpAnswer:
    """The usual answer for `status`: 429 with its wait, 401 and 404 with their code, 5xx as the edge's HTML."""
    if status == 429:
        body = {"message": "You are being rate limited.", "retry_after": retry_after, "global": False}
        answer = json_answer(429, body)
        waits = {"Retry-After": str(math.ceil(retry_after)), "X-RateLimit-Scope": "user"}
        return answer._replace(headers={**answer.headers, **waits})
    if status >= 500:
        return HttpAnswer(status, {"Content-Type": "text/html"}, f"<html><h1>{status}</h1></html>".encode())
    code, message = _CODES.get(status, (0, f"{status}: injected by the sandbox"))
    return json_answer(status, {"message": message, "code": code})

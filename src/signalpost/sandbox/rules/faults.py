"""Planned faults, which replace a webhook's next answers."""

from collections import deque
from typing import NamedTuple

from signalpost.sandbox.rules import exchange

EVERY = "*"
"""Matches every webhook."""
_CODES = {401: exchange.WRONG_TOKEN, 404: exchange.UNKNOWN_WEBHOOK}


class Fault(NamedTuple):
    """A fault in a request: hold it, process it or not, hold it again, then answer or reset the connection."""

    webhook: str = EVERY
    method: str | None = None
    """None matches any method."""
    seconds_before: float = 0.0
    """Delay before the request is processed."""
    seconds_after: float = 0.0
    """Delay before the answer is sent."""
    answer: exchange.HttpAnswer | None = None
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

    def take(self, webhook: str, request: exchange.HttpRequest) -> Fault | None:
        """Find the first fault that applies to `request` and count one use of it."""
        for index, fault in enumerate(self._planned):
            if fault.applies_to(webhook, request.method):
                if fault.times > 1:
                    self._planned[index] = fault._replace(times=fault.times - 1)
                else:
                    del self._planned[index]
                return fault
        return None


def usual_answer(status: int, retry_after: float = 1.0, code: int | None = None) -> exchange.HttpAnswer:
    """The usual answer for `status` and Discord's `code`.

    Without a code: 429 without one, 401 and 404 with that of a wrong token and an unknown webhook, 5xx as the edge's
    HTML.
    """
    if status == exchange.TOO_MANY_REQUESTS:
        return exchange.limited_answer(retry_after, code)
    if status >= 500 and code is None:
        return exchange.HttpAnswer(status, {"Content-Type": "text/html"}, f"<html><h1>{status}</h1></html>".encode())
    code = _CODES.get(status, 0) if code is None else code
    _, message = exchange.REFUSALS.get(code, (status, f"{status}: injected by the sandbox"))
    return exchange.json_answer(status, {"message": message, "code": code})

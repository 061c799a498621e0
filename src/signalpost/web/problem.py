"""What went wrong, as RFC 9457 tells it: `application/problem+json`, with all faults of a body at once."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from signalpost.errors import Fault

_MOST_IN_A_LINE = 10
CONTENT_TYPE = "application/problem+json"


class Problem(Exception):
    """A request that is answered with an error. It never repeats the request's address, which may hold a token."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        faults: Sequence[Fault] = (),
        cause: str | None = None,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status.value}: {detail}")
        self.status = status
        self.detail = detail
        self.faults = tuple(faults)
        self.cause = cause
        """For programs: why, in one word."""
        self.retry_after = retry_after
        """Seconds."""
        self._headers = dict(headers or {})

    @property
    def code(self) -> str:
        """Names the kind of problem to programs: the cause, or the code of the first fault, or the status."""
        if self.cause is not None:
            return self.cause
        return self.faults[0].code if self.faults else self.status.phrase.lower().replace(" ", "-")

    @property
    def headers(self) -> dict[str, str]:
        """The headers that go with it, its own and Retry-After."""
        return self._headers | ({} if self.retry_after is None else {"Retry-After": str(self.retry_after)})

    def in_full(self) -> str:
        """The status with the text of each fault, or else the detail: a line for a log."""
        told = [fault.text for fault in self.faults[:_MOST_IN_A_LINE]] or [self.detail]
        if (more := len(self.faults) - len(told)) > 0:
            told.append(f"and {more} more")
        return f"{self.status.value}, {'; '.join(told)}"

    def body(self) -> bytes:
        """The answer's body. Without a `type`, as the RFC has it, the title is the status's own phrase."""
        told: dict[str, object] = {"title": self.status.phrase, "status": self.status.value, "detail": self.detail}
        told["code"] = self.code
        if self.cause is not None:
            told["cause"] = self.cause
        if self.faults:
            told["errors"] = [_entry(fault) for fault in self.faults]
        return json.dumps(told).encode()


def not_understood(faults: Sequence[Fault]) -> Problem:
    """A body that is JSON and cannot be meant."""
    many = "a fault" if len(faults) == 1 else f"{len(faults)} faults"
    detail = f"{many} in the body; see `errors`. Nothing was accepted"
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, faults=faults)


def _entry(fault: Fault) -> dict[str, str | None]:
    """One of `errors`; the field is empty if it is the body as a whole."""
    return {"field": fault.field or "", "detail": fault.text} | {**fault.facts(), "field": fault.field or ""}

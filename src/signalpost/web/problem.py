"""Errors in the format of RFC 9457, `application/problem+json`, with all faults of a body at once."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from signalpost.errors import Fault

_MOST_IN_A_LINE = 10
CONTENT_TYPE = "application/problem+json"
_RETRY_AFTER = 5
"""Seconds."""


class Problem(Exception):
    """An error response. It never contains the request's path, which may contain a token."""

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
        """The reason in one word, for programs."""
        self.retry_after = retry_after
        """Seconds."""
        self._headers = dict(headers or {})

    @property
    def code(self) -> str:
        """The kind of problem, for programs: the cause, or else the code of the first fault, or else the status."""
        if self.cause is not None:
            return self.cause
        return self.faults[0].code if self.faults else self.status.phrase.lower().replace(" ", "-")

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the response, including Retry-After."""
        return self._headers | ({} if self.retry_after is None else {"Retry-After": str(self.retry_after)})

    def in_full(self) -> str:
        """One line for a log: the status and the text of each fault, or else the detail."""
        texts = [fault.text for fault in self.faults[:_MOST_IN_A_LINE]] or [self.detail]
        if (more := len(self.faults) - len(texts)) > 0:
            texts.append(f"and {more} more")
        return f"{self.status.value}, {'; '.join(texts)}"

    def body(self) -> bytes:
        """The body of the response. It has no `type`, so the title is the status phrase, as the RFC requires."""
        body: dict[str, object] = {"title": self.status.phrase, "status": self.status.value, "detail": self.detail}
        body["code"] = self.code
        if self.cause is not None:
            body["cause"] = self.cause
        if self.faults:
            # A fault of the whole body has an empty field.
            body["errors"] = [{"detail": each.text, **each.facts(), "field": each.field or ""} for each in self.faults]
        return json.dumps(body).encode()


def unavailable(detail: str, cause: str | None) -> Problem:
    """The problem while the store is unavailable."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, cause=cause, retry_after=_RETRY_AFTER)


def not_understood(faults: Sequence[Fault]) -> Problem:
    """The problem for a body that was parsed but has faults."""
    detail = f"The body has {count_of(faults)}; see `errors`. Nothing was accepted."
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, faults=faults)


def count_of(faults: Sequence[Fault]) -> str:
    """The number of faults, in words for a person."""
    return "1 fault" if len(faults) == 1 else f"{len(faults)} faults"

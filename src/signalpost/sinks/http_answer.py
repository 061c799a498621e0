"""An HTTP answer as a value, so that its interpretation needs no network."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from signalpost.secret import redacted
from signalpost.sinks.evidence import RateFacts

LONGEST_WAIT = 86_400.0
"""Seconds; longer waits in an answer are cut to this."""

_LONGEST_BUCKET = 100
_DIGITS = 9


class HttpAnswer(NamedTuple):
    """An answer, possibly incomplete."""

    status: int
    headers: Mapping[str, str]
    """Names are case-insensitive."""
    content: Any = None
    """The decoded JSON of the body; None if the content type or the body is not JSON."""
    is_whole: bool = True
    """True if the body is complete and valid for its content type."""
    is_html: bool = False
    """True if the body is an HTML page, which an API never sends."""

    def __repr__(self) -> str:
        return f"HttpAnswer({self.status})"  # the content may quote the request and its URL

    @property
    def fields(self) -> Mapping[str, Any]:
        """The body's JSON object, or an empty dict."""
        return self.content if isinstance(self.content, dict) else {}

    def text(self, name: str) -> str | None:
        """A text field of the body, masked because it may quote the request; None if there is none."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            return None
        return value if value.isdecimal() else redacted(value)  # an id is not a secret: every message shows some

    def whole_number(self, name: str) -> int | None:
        """A whole number in the body; None if there is none."""
        value = self.fields.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def seconds(self, name: str) -> float | None:
        """A number of seconds in the body; None if there is none."""
        value = self.fields.get(name)
        return None if isinstance(value, bool | str) else _seconds(value)

    def header_seconds(self, name: str) -> float | None:
        """A number of seconds in a header; None if there is none."""
        return _seconds(self.headers.get(name))


def rate_facts(answer: HttpAnswer, identity: str, route: str) -> RateFacts | None:
    """Read the `X-RateLimit-*` headers; None if one is missing or not a number.

    The scope is the bucket in the headers, or else the route, combined with the destination's `identity`.
    """
    limit = _count(answer.headers.get("X-RateLimit-Limit"))
    if limit is None:
        return None
    remaining = _count(answer.headers.get("X-RateLimit-Remaining"))
    reset_after = answer.header_seconds("X-RateLimit-Reset-After")
    if remaining is None or reset_after is None:
        return None
    bucket = answer.headers.get("X-RateLimit-Bucket") or route
    return RateFacts(f"{bucket[:_LONGEST_BUCKET]}:{identity}", limit, remaining, reset_after)


def _seconds(value: object) -> float | None:
    try:
        seconds = float(value)  # type: ignore[arg-type]  # raises if not a number
    except (TypeError, ValueError):
        return None
    except OverflowError:  # a whole number too large for a float
        return LONGEST_WAIT
    return min(max(seconds, 0.0), LONGEST_WAIT) if not math.isnan(seconds) else None


def _count(value: str | None) -> int | None:
    if value is None or not value.isascii() or not value.isdigit():
        return None
    return int(value[:_DIGITS])

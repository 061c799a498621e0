"""An HTTP answer as a value, so that what it means can be decided without a network."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from signalpost.secret import redacted
from signalpost.sinks.evidence import RateFacts

LONGEST_WAIT = 86_400.0
"""Seconds: no wait that an answer asks for is taken to be longer."""

_LONGEST_BUCKET = 100
_DIGITS = 9


class HttpAnswer(NamedTuple):
    """An answer that came back, as far as it came."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    content: Any = None
    """What the JSON of the body holds; None where it is none, by its content type or by what stands in it."""
    is_whole: bool = True
    """Whether the body arrived to its end, and is what its content type says."""
    is_html: bool = False
    """Whether it is a page for people, which no API answers with."""

    def __repr__(self) -> str:
        return f"HttpAnswer({self.status})"  # what came back may quote the request, URL and all

    @property
    def fields(self) -> Mapping[str, Any]:
        """The body's JSON object; an empty one where it holds none."""
        return self.content if isinstance(self.content, dict) else {}

    def text(self, name: str) -> str | None:
        """A field of the body that is text, masked, because it may quote the request; None where there is none."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            return None
        return value if value.isdecimal() else redacted(value)  # an id, of which each message that is shown tells some

    def whole_number(self, name: str) -> int | None:
        """A field of the body that is a whole number; None where there is none."""
        value = self.fields.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def seconds(self, name: str) -> float | None:
        """A field of the body that is a time in seconds; None where there is none."""
        value = self.fields.get(name)
        return None if isinstance(value, bool | str) else _seconds(value)

    def header_seconds(self, name: str) -> float | None:
        """A header that is a time in seconds; None where there is none."""
        return _seconds(self.headers.get(name))


def rate_facts(answer: HttpAnswer, identity: str, route: str) -> RateFacts | None:
    """What the `X-RateLimit-*` headers say; None where one of them is missing or no number.

    The scope is the bucket they name, or else the route, of the destination that `identity` tells from others.
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
        seconds = float(value)  # type: ignore[arg-type]  # which raises for what is no number
    except (TypeError, ValueError):
        return None
    except OverflowError:  # a whole number beyond all floats
        return LONGEST_WAIT
    return min(max(seconds, 0.0), LONGEST_WAIT) if not math.isnan(seconds) else None


def _count(value: str | None) -> int | None:
    if value is None or not value.isascii() or not value.isdigit():
        return None
    return int(value[:_DIGITS])

"""What goes in and what comes out: the time, a request and its answer, as values."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

import msgspec

NOTHING: Mapping[str, str] = MappingProxyType({})
JSON = MappingProxyType({"Content-Type": "application/json", "Via": "1.1 google"})
"""Headers of what Discord itself says; an answer of its edge has no Via."""


class Moment(NamedTuple):
    """The time of a request, on two clocks."""

    seconds: float
    """Monotonic: what the limits count in."""
    at: datetime
    """Aware and in UTC: what ids and timestamps are made of."""


class HttpRequest(NamedTuple):
    """A request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str] = NOTHING
    headers: Mapping[str, str] = NOTHING
    """By their names in lower case."""
    body: bytes = b""
    ip: str = "127.0.0.1"

    def __repr__(self) -> str:
        return f"HttpRequest({self.method}, {len(self.body)} bytes)"  # a path holds a token


class HttpAnswer(NamedTuple):
    """An answer as it leaves."""

    status: int
    headers: Mapping[str, str] = NOTHING
    body: bytes = b""


def told(status: int, value: object) -> HttpAnswer:
    """`value` as JSON, from Discord itself."""
    return HttpAnswer(status, JSON, msgspec.json.encode(value))

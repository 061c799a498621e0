"""Values that go into and out of the rules: the time, a request and an answer."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

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

"""HTTP/1.1 on bare streams, because a server that is to break off anywhere needs them."""

import json
from asyncio import StreamReader
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


@dataclass
class Request:
    """A request that came in, and what became of it."""

    at: float
    """When its head was there, by the monotonic clock, which all processes of a machine share."""
    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    """Their names in lower case."""
    body: Any = None
    """What its JSON holds; None where it is none."""
    webhook: str = ""
    """The name of the webhook that was asked."""
    status: int | None = None
    """What it was answered; None where it was not."""
    is_shown: bool = False
    """Whether its message stands in the channel."""
    hangs: bool = False
    """Whether it was read, and is never answered."""


class Answer(NamedTuple):
    """An answer, whole."""

    status: int
    body: bytes = b""
    kind: str = "application/json"
    headers: Mapping[str, str] = {}

    def head(self) -> bytes:
        told = {**self.headers, "Content-Type": self.kind, "Content-Length": str(len(self.body))}
        lines = [f"HTTP/1.1 {self.status} -", *(f"{name}: {value}" for name, value in told.items())]
        return "\r\n".join([*lines, "", ""]).encode()


def in_json(status: int, told: Mapping[str, Any], **headers: str) -> Answer:
    """An answer as Discord's API gives it. Underscores in the names of headers are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(told).encode(), "application/json", {"Via": "1.1 google", **named})


async def next_request(reader: StreamReader, clock: Any) -> Request:
    """The next request of a connection. Raises IncompleteReadError where there is none."""
    head = await reader.readuntil(b"\r\n\r\n")
    at = clock()
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    data = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    made = Request(at, method, parts.path, parse_qs(parts.query), headers)
    if headers.get("content-type", "").startswith("application/json"):
        made.body = json.loads(data)
    return made

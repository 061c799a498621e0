"""HTTP/1.1 on plain streams, so that the server can close a connection at any point."""

import json
from asyncio import StreamReader
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


@dataclass
class Request:
    """A received request, and how it ended."""

    at: float
    """When its head had arrived, by the monotonic clock, which all processes of a machine share."""
    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    """With names in lower case."""
    body: Any = None
    """The decoded JSON; None if it is not JSON."""
    webhook: str = ""
    """The name of the webhook."""
    status: int | None = None
    """The status of its answer; None without an answer."""
    is_shown: bool = False
    """Whether its message is shown in the channel."""
    hangs: bool = False
    """Whether it was read and is never answered."""


class Answer(NamedTuple):
    """A complete answer."""

    status: int
    body: bytes = b""
    kind: str = "application/json"
    headers: Mapping[str, str] = {}

    def head(self) -> bytes:
        headers = {**self.headers, "Content-Type": self.kind, "Content-Length": str(len(self.body))}
        lines = [f"HTTP/1.1 {self.status} -", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode()


def json_answer(status: int, content: Mapping[str, Any], **headers: str) -> Answer:
    """An answer as Discord's API sends it. Underscores in the names of headers become hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(content).encode(), "application/json", {"Via": "1.1 google", **named})


async def next_request(reader: StreamReader, clock: Any) -> Request:
    """The next request of a connection. Raises IncompleteReadError if there is none."""
    head = await reader.readuntil(b"\r\n\r\n")
    at = clock()
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    data = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    request = Request(at, method, parts.path, parse_qs(parts.query), headers)
    if headers.get("content-type", "").startswith("application/json"):
        request.body = json.loads(data)
    return request

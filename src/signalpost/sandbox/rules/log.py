"""The log of received requests, used by the page, `/_log` and the journal."""

from collections import Counter, deque
from itertools import islice
from typing import Any, NamedTuple

import msgspec

KEPT = 100_000
"""Entries."""
TOO_MANY = 429
MODERATOR = "MODERATOR"
"""The `method` of an entry that is not a request, but a moderator's action on the sandbox."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One request and its result, or a moderator's action."""

    n: int
    """Number of the entry, from 1."""
    time: str
    webhook: str
    channel: str | None
    channel_id: str | None = None
    """The id of the channel or, for a message in a thread, of the thread."""
    method: str
    status: int | None
    """None if the connection was reset."""
    code: int | None = None
    """Discord's error code."""
    scope: str | None = None
    """Scope of a 429: `user`, `global` or `shared`."""
    message_id: str | None = None
    recorded: bool = False
    """True if it created, changed or deleted something."""
    edited: bool = False
    """True if it edited a message, which shows "(edited)" from then on."""
    pings: list[str] = []
    silent: bool = False
    notification: str | None = None
    """The text a phone's notification shows; None if the request notified nobody."""
    fault: bool = False
    """True if a planned fault applied to it."""
    body: Any = None
    """The JSON that was sent, or the beginning of any other text."""

    @property
    def outcome(self) -> str:
        """The kind of answer: `taken`, `refused`, `limited`, `failed` or `cut`."""
        if self.status is None:
            return "cut"
        if self.status == TOO_MANY:
            return "limited"
        return "failed" if self.status >= 500 else "refused" if self.status >= 400 else "taken"

    def line(self) -> bytes:
        """Encode the entry as one line of JSON."""
        return msgspec.json.encode(self) + b"\n"


class Logged(NamedTuple):
    """An entry, and the message that it created or edited; None if it did neither."""

    entry: Entry
    message: dict[str, Any] | None


class Log:
    """The last entries, oldest first."""

    def __init__(self) -> None:
        self._kept: deque[Logged] = deque(maxlen=KEPT)
        self.count = 0
        """Number of entries so far, including dropped ones."""
        self.count_by_outcome: Counter[str] = Counter()

    def append(self, logged: Logged) -> None:
        """Add an entry; the oldest is dropped if the log is full."""
        self._kept.append(logged)
        self.count = logged.entry.n
        if logged.entry.method != MODERATOR:
            self.count_by_outcome[logged.entry.outcome] += 1

    def reaches(self, n: int) -> bool:
        """True if every entry after number `n` is still kept."""
        return n >= self.count - len(self._kept)

    def since(self, n: int) -> list[Logged]:
        """The kept entries after number `n`."""
        return list(islice(reversed(self._kept), max(0, self.count - n)))[::-1]

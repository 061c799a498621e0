"""What was received, told once: the page, the log and the journal read it."""

from collections import Counter, deque
from itertools import islice
from typing import Any, NamedTuple

import msgspec

TOO_MANY = 429


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One request and what became of it."""

    n: int
    """Its number, from 1."""
    time: str
    webhook: str
    channel: str | None
    method: str
    status: int | None
    """None where the connection was cut."""
    code: int | None = None
    """Discord's code of the error."""
    scope: str | None = None
    """Of a 429: `user`, `global` or `shared`."""
    message_id: str | None = None
    recorded: bool = False
    """Whether something was shown, changed or removed because of it."""
    pings: list[str] = []
    silent: bool = False
    fault: bool = False
    """Whether it met a planned fault."""
    body: Any = None
    """The JSON that was sent, or the beginning of a text that is none."""

    @property
    def outcome(self) -> str:
        """How it was answered, in a word: `taken`, `refused`, `limited`, `failed` or `cut`."""
        if self.status is None:
            return "cut"
        if self.status == TOO_MANY:
            return "limited"
        return "failed" if self.status >= 500 else "refused" if self.status >= 400 else "taken"

    def line(self) -> bytes:
        """It as one line of JSON."""
        return msgspec.json.encode(self) + b"\n"


class Logged(NamedTuple):
    """An entry and the message as it stood after it; None for a message that is gone or never was."""

    entry: Entry
    message: dict[str, Any] | None


class Log:
    """The last entries, oldest first."""

    def __init__(self, keep: int) -> None:
        self._kept: deque[Logged] = deque(maxlen=keep)
        self.count = 0
        """How many entries there have been."""
        self.count_by_outcome: Counter[str] = Counter()

    def append(self, logged: Logged) -> None:
        """Keep one entry more."""
        self._kept.append(logged)
        self.count = logged.entry.n
        self.count_by_outcome[logged.entry.outcome] += 1

    def reaches(self, n: int) -> bool:
        """Whether every entry after number `n` is still kept."""
        return n >= self.count - len(self._kept)

    def since(self, n: int) -> list[Logged]:
        """The kept entries after number `n`."""
        return list(islice(reversed(self._kept), max(0, self.count - n)))[::-1]

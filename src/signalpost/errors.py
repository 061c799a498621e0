"""Every error signalpost raises, as one tree.

    SignalpostError
    ├── InvalidValue           a constructor rejected a value (also a ValueError)
    ├── InvalidConfiguration   settings contradict each other or are unknown (also a ValueError)
    ├── InvalidCandleFile      a candle file cannot be trusted; has the file and line
    ├── OutOfOrder             a candle is not newer than the last one
    ├── NotPossible            a signal cannot change this way in its present state
    ├── FeedFailed             a feed gave no usable answer
    ├── InvalidSnapshot        saved state is damaged or belongs to another configuration
    ├── StoreUnusable          an outbox cannot be opened: damaged, locked, read-only or of a newer version
    ├── StoreFailed            an outbox could not execute a command, and nothing was changed
    ├── CommandFailed          an outbox works, but cannot execute this command
    ├── StoreClosed            an outbox was used after it was closed
    │   └── OwnershipLost      another process delivers now; never retried
    └── Evidence               a send ended without a receipt (its children: sinks/evidence.py)

The text explains to people what was wrong, where, and how to fix it. Programs use the code and the facts instead:
a text can change in any release, a code does not.
"""

from collections.abc import Iterable
from threading import current_thread, main_thread
from typing import NamedTuple, Self

_LONGEST_SHOWN = 60
_DEPTH = 5
"""How many levels of nested lists and objects an error shows."""


class Fault(NamedTuple):
    """One problem in an input."""

    code: str
    """The kind of fault, such as `out-of-range`. Stable."""
    text: str
    """The problem and how to fix it, for people."""
    field: str | None = None
    """The wrong field or setting, under the caller's name for it; None if not a particular one."""
    value: str | None = None
    """The rejected value as text, shortened; None if missing or possibly secret."""
    limit: str | None = None
    """The violated limit or the valid choices, as text."""

    def facts(self) -> dict[str, str | None]:
        """The part for programs: `code`, `field`, `value`, `limit`."""
        return {"code": self.code, "field": self.field, "value": self.value, "limit": self.limit}


class SignalpostError(Exception):
    """The base class of all errors that signalpost raises on purpose."""

    code = "error"
    """The kind of error, for programs; each class has its own default."""

    def __init__(
        self,
        text: str = "",
        *,
        code: str | None = None,
        field: str | None = None,
        value: str | None = None,
        limit: str | None = None,
    ) -> None:
        super().__init__(text)
        self.code = code or type(self).code
        self.errors: tuple[Fault, ...] = (Fault(self.code, text, field, value, limit),)
        """All faults; usually one."""

    @classmethod
    def of(cls, field: str, value: object, advice: str, *, code: str, limit: str | None = None) -> Self:
        """The error for an invalid `value` of `field`. `advice` says why it is invalid, or what to use instead."""
        quoted = shown(value)
        return cls(f"{field} is {quoted}: {advice}", code=code, field=field, value=quoted, limit=limit)

    @classmethod
    def of_all(cls, faults: Iterable[Fault]) -> Self:
        """One error for several faults, a line each."""
        every = tuple(faults)
        error = cls("\n".join(fault.text for fault in every), code=every[0].code)
        error.errors = every
        return error

    @property
    def field(self) -> str | None:
        """The field of the first fault."""
        return self.errors[0].field


class InvalidValue(SignalpostError, ValueError):
    """A constructor rejected a value."""

    code = "invalid-value"


class InvalidConfiguration(SignalpostError, ValueError):
    """Settings contradict each other, are out of range or are unknown."""

    code = "invalid-setting"


class InvalidCandleFile(SignalpostError):
    """A candle file cannot be trusted."""

    code = "invalid-candle-file"

    def __init__(self, problem: str, *, path: str, line: int | None = None, **facts: str | None) -> None:
        where = path if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {problem}", **facts)
        self.path = path
        self.line = line


class NotPossible(SignalpostError):
    """A signal cannot change this way in its present state."""

    code = "not-possible"


class OutOfOrder(SignalpostError):
    """A candle is not newer than the one before it."""

    code = "out-of-order"


class FeedFailed(SignalpostError):
    """A feed gave no usable answer."""

    code = "feed-failed"

    def __init__(self, text: str = "", *, retry_after: float | None = None, **facts: str | None) -> None:
        super().__init__(text, **facts)
        self.retry_after = retry_after
        """Seconds that the feed requires before the next request; None if it does not say."""


class InvalidSnapshot(SignalpostError):
    """A snapshot is damaged or belongs to another configuration."""

    code = "invalid-snapshot"


class StoreUnusable(SignalpostError):
    """An outbox cannot be opened."""

    code = "store-unusable"


class StoreFailed(SignalpostError):
    """An outbox could not execute a command, and nothing was changed."""

    code = "store-failed"


class CommandFailed(SignalpostError):
    """An outbox works, but cannot execute this command, and nothing was changed."""

    code = "command-failed"


class StoreClosed(SignalpostError):
    """An outbox was used after it was closed."""

    code = "not-running"


class OwnershipLost(StoreClosed):
    """Another process delivers from this store now, because this one did not respond; never retried."""

    code = "ownership-lost"


class Evidence(SignalpostError):
    """A send ended without a receipt."""

    code = "not-delivered"


def is_from_keyboard(fault: BaseException) -> bool:
    """True if Ctrl-C was pressed. Only the main thread receives it; in other threads a program raised it."""
    return isinstance(fault, KeyboardInterrupt) and current_thread() is main_thread()


def as_text(value: object) -> str:
    """`value` as text. If the conversion raises, a placeholder with the type."""
    try:
        return _plain(value, _DEPTH) if isinstance(value, list | tuple | dict) else str(value)
    except Exception:  # noqa: BLE001  # the text is for an error message, which a broken __str__ must not replace
        return f"<unprintable {type(value).__name__}>"


def shown(value: object) -> str:
    """`value` as an error quotes it: strings in quotes, at most 60 characters."""
    text = repr(value) if isinstance(value, str) else as_text(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def _plain(value: object, depth: int) -> str:
    """Format lists, tuples and dicts with plain elements: `[1.17, 1.18]`, not `[Decimal('1.17'), ...]`."""
    if isinstance(value, str):
        return repr(value)
    if not isinstance(value, list | tuple | dict):
        return str(value)
    if depth == 0:
        return "..."
    if isinstance(value, dict):
        pairs = (f"{_plain(name, 0)}: {_plain(each, depth - 1)}" for name, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    return f"[{', '.join(_plain(each, depth - 1) for each in value)}]"

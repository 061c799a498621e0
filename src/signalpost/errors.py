"""Every error signalpost raises, as one tree.

    SignalpostError
    ├── InvalidValue           a value refused by its constructor (also a ValueError)
    ├── InvalidConfiguration   settings that contradict each other or are not known (also a ValueError)
    ├── InvalidCandleFile      a candle file that cannot be trusted: says which file and line
    ├── OutOfOrder             a candle that is not newer than the last one
    ├── InvalidSnapshot        saved state that is damaged or belongs to another configuration
    ├── StoreUnusable          an outbox that cannot be opened: damaged, locked, read-only or of a newer version
    ├── StoreFailed            an outbox that could not carry out what was asked: nothing of it has happened
    ├── CommandFailed          a command that an outbox cannot carry out for a reason of the command's own
    ├── StoreClosed            an outbox that was asked after it was closed
    │   └── OwnershipLost      another process delivers now: never retried
    └── Evidence               what a sink learnt from a send that brought no receipt (its children: sinks/evidence.py)

The text says what was wrong, where, and what to do about it, for a person. The code and the facts say the same to
programs: the text may be reworded in any release, a code stays.
"""

from collections.abc import Iterable
from threading import current_thread, main_thread
from typing import NamedTuple, Self


class Fault(NamedTuple):
    """One thing that is wrong."""

    code: str
    """Names the kind of fault, such as `out-of-range`. Stable."""
    text: str
    """What is wrong and what to do, for a person."""
    field: str | None = None
    """The field or setting that is wrong, by the name the caller used; None if it is none in particular."""
    value: str | None = None
    """The refused value as text, shortened; None if there is none, or it may be a secret."""
    limit: str | None = None
    """The bound or the choices that the value broke, as text."""

    def facts(self) -> dict[str, str | None]:
        """What a program reads: `code`, `field`, `value`, `limit`."""
        return {"code": self.code, "field": self.field, "value": self.value, "limit": self.limit}


class SignalpostError(Exception):
    """The parent of all errors that signalpost raises on purpose."""

    code = "error"
    """Names the kind of error to programs; each class has its own default."""

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
        """All that is wrong; usually one."""

    @classmethod
    def of_all(cls, faults: Iterable[Fault]) -> Self:
        """One error that reports several faults together, a line each."""
        every = tuple(faults)
        error = cls("\n".join(fault.text for fault in every), code=every[0].code)
        error.errors = every
        return error

    @property
    def field(self) -> str | None:
        """The field of the first fault."""
        return self.errors[0].field


class InvalidValue(SignalpostError, ValueError):
    """A value was refused by its constructor."""

    code = "invalid-value"


class InvalidConfiguration(SignalpostError, ValueError):
    """Settings contradict each other, are out of range or are not known."""

    code = "invalid-setting"


class InvalidCandleFile(SignalpostError):
    """A candle file cannot be trusted."""

    code = "invalid-candle-file"

    def __init__(
        self,
        problem: str,
        *,
        path: str,
        line: int | None = None,
        code: str | None = None,
        field: str | None = None,
        value: str | None = None,
        limit: str | None = None,
    ) -> None:
        where = path if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {problem}", code=code, field=field, value=value, limit=limit)
        self.path = path
        self.line = line


class OutOfOrder(SignalpostError):
    """A candle is not newer than the one before it."""

    code = "out-of-order"


class InvalidSnapshot(SignalpostError):
    """A snapshot is damaged or belongs to another configuration."""

    code = "invalid-snapshot"


class StoreUnusable(SignalpostError):
    """An outbox cannot be opened."""

    code = "store-unusable"


class StoreFailed(SignalpostError):
    """An outbox could not carry out what was asked: nothing of it has happened."""

    code = "store-failed"


class CommandFailed(SignalpostError):
    """An outbox works, but cannot carry out this command: nothing of it has happened."""

    code = "command-failed"


class StoreClosed(SignalpostError):
    """An outbox was asked after it was closed."""

    code = "not-running"


class OwnershipLost(StoreClosed):
    """Another process delivers from this store now, because this one did not respond: never retried."""

    code = "ownership-lost"


class Evidence(SignalpostError):
    """A send brought no receipt: this is what is known about it."""

    code = "not-delivered"


def is_from_keyboard(fault: BaseException) -> bool:
    """Whether somebody pressed Ctrl-C: only the main thread hears that, elsewhere it was raised by a program."""
    return isinstance(fault, KeyboardInterrupt) and current_thread() is main_thread()

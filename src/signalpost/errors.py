"""Every error signalpost raises, as one tree.

    SignalpostError
    ├── InvalidValue           a value refused by its constructor (also a ValueError)
    ├── InvalidConfiguration   settings that contradict each other or are not known (also a ValueError)
    ├── InvalidCandleFile      a candle file that cannot be trusted: says which file and line
    ├── OutOfOrder             a candle that is not newer than the last one
    ├── InvalidSnapshot        saved state that is damaged or belongs to another configuration
    ├── StoreUnusable          an outbox that cannot be opened: damaged, locked, read-only or of a newer version
    ├── StoreFailed            an outbox that could not carry out what was asked: nothing of it has happened
    ├── StoreClosed            an outbox that was asked after it was closed
    └── Evidence               what a sink learnt from a send that brought no receipt (its children: sinks/evidence.py)

The text of each says what was wrong, where, and what to do about it.
"""

from threading import current_thread, main_thread


class SignalpostError(Exception):
    """The parent of all errors that signalpost raises on purpose."""


class InvalidValue(SignalpostError, ValueError):
    """A value was refused by its constructor."""


class InvalidConfiguration(SignalpostError, ValueError):
    """Settings contradict each other, are out of range or are not known."""


class InvalidCandleFile(SignalpostError):
    """A candle file cannot be trusted."""

    def __init__(self, problem: str, *, path: str, line: int | None = None) -> None:
        where = path if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {problem}")
        self.path = path
        self.line = line


class OutOfOrder(SignalpostError):
    """A candle is not newer than the one before it."""


class InvalidSnapshot(SignalpostError):
    """A snapshot is damaged or belongs to another configuration."""


class StoreUnusable(SignalpostError):
    """An outbox cannot be opened."""


class StoreFailed(SignalpostError):
    """An outbox could not carry out what was asked: nothing of it has happened."""


class StoreClosed(SignalpostError):
    """An outbox was asked after it was closed."""


class Evidence(SignalpostError):
    """A send brought no receipt: this is what is known about it."""


def is_from_keyboard(fault: BaseException) -> bool:
    """Whether somebody pressed Ctrl-C: only the main thread hears that, elsewhere it was raised by a program."""
    return isinstance(fault, KeyboardInterrupt) and current_thread() is main_thread()

"""Writes the library's log to standard error, with secrets masked: as text in a terminal, else as JSON lines."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any


class _Lines(logging.Handler):
    """Writes to standard error in the log's own thread; the log counts lines that cannot be written.

    It has no lock and needs none: a thread that hangs in `write` would still hold it when the interpreter ends.
    """

    def __init__(self) -> None:
        super().__init__()
        self._stream = sys.stderr

    def createLock(self) -> None:  # noqa: N802  # logging's name
        """Create no lock."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line. Raises OSError if that fails."""
        self._stream.write(f"{self.format(record)}\n")
        self._stream.flush()


def write_logs(level: int = logging.INFO) -> None:
    """Write the messages of the logger `signalpost` to standard error."""
    handler = _Lines()
    handler.setFormatter(_formatter())
    logger = logging.getLogger("signalpost")
    logger.handlers = [handler]
    logger.setLevel(level)


def _formatter() -> logging.Formatter:
    import structlog

    from signalpost.cli.output import clean
    from signalpost.secret import redacted

    def mask(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {name: redacted(value) if isinstance(value, str) else value for name, value in entry.items()}

    is_terminal = sys.stderr.isatty()

    def tidy(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Escape control characters for a terminal. Only a traceback keeps its line ends."""
        return {
            name: "\n".join(map(clean, value.splitlines() if name == "exception" else [value]))
            if isinstance(value, str) and is_terminal
            else value
            for name, value in entry.items()
        }

    renderer = structlog.dev.ConsoleRenderer() if is_terminal else structlog.processors.JSONRenderer()
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, mask, tidy, renderer],
    )

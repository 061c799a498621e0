"""Writes the library's log to standard error, with secrets masked: as text in a terminal, else as JSON lines."""

import json
import logging
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

from signalpost.secret import redacted


class _Lines(logging.Handler):
    """Writes to standard error in the log's own thread; the log counts lines that cannot be written.

    It has no lock, because a thread that hangs in `write` would still hold it when the interpreter ends.
    """

    def __init__(self) -> None:
        super().__init__()
        self._stream = sys.stderr

    def createLock(self) -> None:  # noqa: N802  # logging's name
        """Create no lock."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Write one line. The method of the base class requires a lock since Python 3.13."""
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line. Raises OSError if that fails."""
        self._stream.write(f"{self.format(record)}\n")
        self._stream.flush()


def write_logs(level: int = logging.INFO) -> None:
    """Write the messages of the logger `signalpost` to standard error."""
    handler = _Lines()
    handler.setFormatter(_for_a_terminal() if sys.stderr.isatty() else _JsonLine())
    logger = logging.getLogger("signalpost")
    logger.handlers = [handler]
    logger.setLevel(level)


class _JsonLine(logging.Formatter):
    """Formats a record as JSON, without structlog: importing it takes longer than most commands."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one line."""
        written = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
        entry = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "timestamp": written.replace("+00:00", "Z"),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps({name: redacted(value) for name, value in entry.items()})


def _for_a_terminal() -> logging.Formatter:
    import structlog
    from rich.console import Console

    from signalpost.cli.output import clean

    screen = Console(stderr=True)  # structlog supports neither NO_COLOR nor a terminal without colours

    def mask(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {name: redacted(value) if isinstance(value, str) else value for name, value in entry.items()}

    def tidy(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Escape control characters. Only a traceback keeps its line breaks."""
        return {
            name: "\n".join(map(clean, value.splitlines() if name == "exception" else [value]))
            if isinstance(value, str)
            else value
            for name, value in entry.items()
        }

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            mask,
            tidy,
            structlog.dev.ConsoleRenderer(colors=screen.color_system is not None and not screen.no_color),
        ],
    )

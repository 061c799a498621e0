"""The machine's own clock. Only `signalpost/__init__.py` imports it, so that pure packages stay pure."""

from datetime import UTC, datetime


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current instant, aware and in UTC."""
        return datetime.now(UTC)

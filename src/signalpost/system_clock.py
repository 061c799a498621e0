"""The machine's own clock. Only `signalpost/__init__.py` imports this, so that the pure rooms stay pure."""

from datetime import UTC, datetime


class SystemClock:
    """Tells the machine's time."""

    def now(self) -> datetime:
        """The present instant, aware and in UTC."""
        return datetime.now(UTC)

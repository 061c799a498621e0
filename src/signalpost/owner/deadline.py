"""A stopwatch for what a caller waits, by which nothing is decided but when to give up waiting."""

from time import monotonic


class Deadline:
    """So many seconds from now, by a clock that nobody sets."""

    def __init__(self, seconds: float) -> None:
        self._until = monotonic() + seconds

    @property
    def remaining(self) -> float:
        """Seconds left, 0 at the least."""
        return max(0.0, self._until - monotonic())

"""A clock for tests: time stands still until the test moves it."""

from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from signalpost import clock
from signalpost.domain.instant import Instant, utc


class ManualClock:
    """A clock that tells `at` until it is set or advanced; within `with`, it is the one that signalpost asks.

    with ManualClock("2025-08-20T05:00:00Z") as clock:
        clock.advance(timedelta(hours=4))
    """

    def __init__(self, at: Instant) -> None:
        self._now = utc(at, "at")
        self._replaced: list[clock.Clock | None] = []

    def now(self) -> datetime:
        """The instant that was set, aware and in UTC."""
        return self._now

    def set(self, at: Instant) -> None:
        """Tell `at` from now on; going back is allowed, because real clocks do."""
        self._now = utc(at, "at")

    def advance(self, by: timedelta) -> None:
        """Tell an instant that is later by `by`."""
        self._now += by

    def __enter__(self) -> Self:
        self._replaced.append(clock.install(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        clock.install(self._replaced.pop())

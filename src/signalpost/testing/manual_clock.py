"""A clock for tests: time stands still until the test moves it."""

from datetime import datetime, timedelta
from typing import Self

from signalpost import clock
from signalpost.domain.instant import Instant, utc


class ManualClock:
    """A clock that stays at `at` until it is set or advanced; within `with`, signalpost uses it.

    with ManualClock("2025-08-20T05:00:00Z") as clock:
        clock.advance(timedelta(hours=4))
    """

    def __init__(self, at: Instant) -> None:
        self._now = utc(at, "at")
        self._replaced: list[clock.Clock | None] = []

    def now(self) -> datetime:
        """The current instant, aware and in UTC."""
        return self._now

    def set(self, at: Instant) -> None:
        """Set the time; going back is allowed, as with real clocks."""
        self._now = utc(at, "at")

    def advance(self, by: timedelta) -> None:
        """Move the time forward by `by`."""
        self._now += by

    def __enter__(self) -> Self:
        self._replaced.append(clock.install(self))
        return self

    def __exit__(self, *_: object) -> None:
        clock.install(self._replaced.pop())

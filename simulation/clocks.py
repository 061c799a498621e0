"""The true time and the clocks of the machine under test."""

from datetime import datetime, timedelta

from signalpost.domain.instant import utc
from signalpost.sandbox.rules.exchange import Moment
from signalpost.testing.virtual_loop import VirtualLoop

DAWN = "2025-08-20T05:00:00Z"


class Clocks:
    """The machine's monotonic clock is the loop's; its UTC may be wrong. Discord has the true time.

    Installed as signalpost's clock, it returns the machine's UTC.
    """

    def __init__(self, loop: VirtualLoop, dawn: str = DAWN) -> None:
        self._loop = loop
        self._dawn = utc(dawn, "at")
        self._began = loop.time()
        self._unseen = 0.0
        """Seconds that passed while the machine's monotonic clock stood still."""
        self._wrong = timedelta()

    def seconds(self) -> float:
        """The machine's monotonic clock."""
        return self._loop.time()

    def elapsed(self) -> float:
        """True seconds since the beginning."""
        return self._loop.time() - self._began + self._unseen

    def moment(self) -> Moment:
        """The true time."""
        elapsed = self.elapsed()
        return Moment(elapsed, self._dawn + timedelta(seconds=elapsed))

    def now(self) -> datetime:
        """The machine's UTC."""
        return self.moment().at + self._wrong

    def step(self, seconds: float) -> None:
        """Set the machine's UTC forward or back."""
        self._wrong += timedelta(seconds=seconds)

    def suspend(self, seconds: float, *, counts: bool) -> None:
        """Suspend the machine; its monotonic clock either `counts` the time or stands still."""
        if counts:
            self._loop.jump(seconds)
        else:
            self._unseen += seconds

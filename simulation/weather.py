"""Which request meets which fault: single ones by chance, and outages that last."""

from random import Random
from typing import NamedTuple

from simulation.faults import FAULTS

_SINGLE = tuple(name for name, fault in FAULTS.items() if not fault.is_of_the_host)
_OF_THE_HOST = tuple(name for name, fault in FAULTS.items() if fault.is_of_the_host)
EVERYWHERE = ""

OUTAGES = {
    "503": ("503", "502", "500"),
    "refused": ("connection refused",),
    "hanging": ("hangs", "no connection in 5 s"),
    "cut": ("reset before it was recorded", "server disconnects"),
    "shown, unanswered": ("502, recorded", "504, recorded", "524, recorded"),
    "every kind": ("connection refused", "503", "hangs", "server disconnects", "520"),
}
"""What an outage consists of."""


class Outage(NamedTuple):
    """A stretch of true time in which a destination, or all of them, are down."""

    began: float
    ended: float
    place: str
    kind: str
    probes_pass: bool
    """Whether the webhook itself can be asked for meanwhile."""


class Weather:
    """Draws the fault of each request."""

    def __init__(self, random: Random, share: float, outages: tuple[Outage, ...]) -> None:
        self._random = random
        self._share = share
        self._outages = outages
        self.is_calm = False

    def fault(self, place: str, method: str, elapsed: float) -> str | None:
        """What happens to a request of `place`; None for nothing."""
        if self.is_calm:
            return None
        for outage in self._outages:
            if outage.began <= elapsed < outage.ended and outage.place in (EVERYWHERE, place):
                if method == "GET" and outage.probes_pass:
                    return None
                return self._random.choice(OUTAGES[outage.kind])
        roll = self._random.random()
        if roll >= self._share:
            return None
        return self._random.choice(_OF_THE_HOST if roll < self._share / 25 else _SINGLE)

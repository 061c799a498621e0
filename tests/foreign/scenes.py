"""What takes long: fifty messages at Discord's pace, and outages of a minute. Each is played in a thread of its own."""

import time
from collections.abc import Callable
from math import inf
from pathlib import Path
from threading import Event
from typing import NamedTuple

from tests.foreign.bucket import Bucket, FixedBucket
from tests.foreign.far_end import FarEnd
from tests.foreign.http_talk import Request
from tests.foreign.reading import name_of, names
from tests.foreign.stage import stage

AWAY_FOR = 60.0
OFFERED = [f"signal{number:03}" for number in range(140)]
FIRST, LAST = 10, 10
"""How many of them come before the outage, and after it."""


class Played(NamedTuple):
    """What a far end saw, and when it was away."""

    offered: list[str]
    requests: list[Request]
    shown: list[Request]
    connected_at: list[float]
    away_at: float = 0.0
    back_at: float = 0.0
    came_after: int = 0
    """How many were offered after an outage."""

    def first_shown(self) -> float:
        """How many seconds after its end an outage's first message was shown."""
        return min(each.at for each in self.shown if each.at >= self.back_at) - self.back_at

    def all_shown(self) -> float:
        """How many seconds after its end all of an outage's messages were shown."""
        first_at: dict[str, float] = {}
        for each in self.shown:
            first_at.setdefault(name_of(each), each.at)
        waited = self.offered[: len(self.offered) - self.came_after]
        return max(first_at.get(name, inf) for name in waited) - self.back_at


def generous() -> Bucket:
    """So wide that an outage's backlog is gone in a moment."""
    return FixedBucket(50, 1.0)


def pace(folder: Path, bucket: Callable[[], Bucket], number: int = 50, *, tells_limits: bool = True) -> Played:
    """So many signals at once. Where the far end tells its limits, no other is assumed."""
    offered = [f"signal{each:02}" for each in range(number)]
    limits = {"SIGNALPOST_RESERVE": "0", "SIGNALPOST_LIMITS": "off" if tells_limits else "on"}
    with (
        FarEnd(bucket, tells_limits=tells_limits) as far_end,
        stage(folder, DISCORD_WEBHOOK_URL=far_end.webhook("signals"), **limits) as at,
    ):
        strategy = at.strategy()
        strategy.offer(offered)
        far_end.wait_for(lambda: len(far_end.shown()) >= len(offered), 40)
        strategy.end()
        return Played(offered, far_end.requests, far_end.shown(), far_end.connected_at)


def outage(
    folder: Path, leave: Callable[[FarEnd], object], come_back: Callable[[FarEnd], object], question: int
) -> Played:
    """A minute without a far end, and a signal every half second before it, during it and after it."""
    with (
        FarEnd(generous, question=question) as far_end,
        stage(folder, DISCORD_WEBHOOK_URL=far_end.webhook("signals"), SIGNALPOST_LIMITS="off") as at,
    ):
        strategy = at.strategy()
        strategy.tell(offer=OFFERED, every=AWAY_FOR / (len(OFFERED) - FIRST - LAST))
        assert far_end.wait_for(lambda: len(far_end.shown()) >= FIRST, 30), "nothing is shown before the outage"
        away_at = time.monotonic()
        leave(far_end)
        Event().wait(AWAY_FOR)
        back_at = time.monotonic()
        come_back(far_end)
        strategy.accepted(len(OFFERED))
        far_end.wait_for(lambda: set(names(far_end.shown())) >= set(OFFERED), 40)
        strategy.end()
        return Played(OFFERED, far_end.requests, far_end.shown(), far_end.connected_at, away_at, back_at, LAST)


def few_in_an_outage(folder: Path, leave: Callable[[FarEnd], object], come_back: Callable[[FarEnd], object]) -> Played:
    """Three signals and no more, for a far end that is away for a minute, and answers the question for a webhook."""
    offered = OFFERED[:3]
    with (
        FarEnd(generous) as far_end,
        stage(folder, DISCORD_WEBHOOK_URL=far_end.webhook("signals"), SIGNALPOST_LIMITS="off") as at,
    ):
        away_at = time.monotonic()
        leave(far_end)
        strategy = at.strategy()
        strategy.offer(offered)
        Event().wait(AWAY_FOR)
        back_at = time.monotonic()
        come_back(far_end)
        far_end.wait_for(lambda: set(names(far_end.shown())) >= set(offered), 40)
        strategy.end()
        return Played(offered, far_end.requests, far_end.shown(), far_end.connected_at, away_at, back_at)

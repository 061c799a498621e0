"""The slow scenarios: fifty messages at Discord's pace, and long outages. Each runs in its own thread."""

import time
from collections.abc import Callable
from math import inf
from pathlib import Path
from threading import Event
from typing import NamedTuple

from tests.independent_discord.bucket import Bucket, FixedBucket
from tests.independent_discord.channel import name_of, names
from tests.independent_discord.http_messages import Request
from tests.independent_discord.machine import user_machine
from tests.independent_discord.server import FakeDiscord
from tests.size import size

AWAY_FOR = float(size(30, 60))
"""How many seconds an outage lasts."""
SENT = [f"signal{number:03}" for number in range(size(80, 140))]
FIRST, LAST = 10, 10
"""How many signals are sent before the outage, and after it."""


class Observed(NamedTuple):
    """The requests that the server received, and the time of the outage."""

    sent: list[str]
    requests: list[Request]
    shown: list[Request]
    connected_at: list[float]
    began_at: float = 0.0
    ended_at: float = 0.0
    sent_after: int = 0
    """How many signals were sent after the outage."""

    def first_shown(self) -> float:
        """Seconds from the end of the outage to the first message."""
        return min(each.at for each in self.shown if each.at >= self.ended_at) - self.ended_at

    def all_shown(self) -> float:
        """Seconds from the end of the outage until all messages sent by then were shown."""
        first_at: dict[str, float] = {}
        for each in self.shown:
            first_at.setdefault(name_of(each), each.at)
        waited = self.sent[: len(self.sent) - self.sent_after]
        return max(first_at.get(name, inf) for name in waited) - self.ended_at


def generous() -> Bucket:
    """A limit so high that the backlog of an outage leaves quickly."""
    return FixedBucket(50, 1.0)


def pace(folder: Path, bucket: Callable[[], Bucket], number: int = 50, *, sends_limits: bool = True) -> Observed:
    """Send so many signals at once. If the server sends its limits, no others are assumed."""
    sent = [f"signal{each:02}" for each in range(number)]
    limits = {"SIGNALPOST_RESERVE": "0", "SIGNALPOST_LIMITS": "off" if sends_limits else "on"}
    with (
        FakeDiscord(bucket, sends_limits=sends_limits) as discord,
        user_machine(folder, DISCORD_WEBHOOK_URL=discord.webhook("signals"), **limits) as machine,
    ):
        strategy = machine.strategy()
        strategy.send(sent)
        discord.wait_for(lambda: len(discord.shown()) >= len(sent), 40)
        strategy.end()
        return Observed(sent, discord.requests, discord.shown(), discord.connected_at)


def outage(
    folder: Path,
    begin_outage: Callable[[FakeDiscord], object],
    end_outage: Callable[[FakeDiscord], object],
    get_status: int,
) -> Observed:
    """An outage, with a signal every half second before, during and after it."""
    with (
        FakeDiscord(generous, get_status=get_status) as discord,
        user_machine(folder, DISCORD_WEBHOOK_URL=discord.webhook("signals"), SIGNALPOST_LIMITS="off") as machine,
    ):
        strategy = machine.strategy()
        strategy.write(send=SENT, every=AWAY_FOR / (len(SENT) - FIRST - LAST))
        assert discord.wait_for(lambda: len(discord.shown()) >= FIRST, 30), "nothing was shown before the outage"
        began_at = time.monotonic()
        begin_outage(discord)
        Event().wait(AWAY_FOR)
        ended_at = time.monotonic()
        end_outage(discord)
        strategy.accepted(len(SENT))
        discord.wait_for(lambda: set(names(discord.shown())) >= set(SENT), 40)
        strategy.end()
        return Observed(SENT, discord.requests, discord.shown(), discord.connected_at, began_at, ended_at, LAST)


def few_in_an_outage(
    folder: Path, begin_outage: Callable[[FakeDiscord], object], end_outage: Callable[[FakeDiscord], object]
) -> Observed:
    """Three signals during an outage, in which a GET of the webhook still succeeds."""
    sent = SENT[:3]
    with (
        FakeDiscord(generous) as discord,
        user_machine(folder, DISCORD_WEBHOOK_URL=discord.webhook("signals"), SIGNALPOST_LIMITS="off") as machine,
    ):
        began_at = time.monotonic()
        begin_outage(discord)
        strategy = machine.strategy()
        strategy.send(sent)
        Event().wait(AWAY_FOR)
        ended_at = time.monotonic()
        end_outage(discord)
        discord.wait_for(lambda: set(names(discord.shown())) >= set(sent), 40)
        strategy.end()
        return Observed(sent, discord.requests, discord.shown(), discord.connected_at, began_at, ended_at)

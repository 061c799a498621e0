"""URGENT signals behind thousands of others."""

import sys
from pathlib import Path

from tests.independent_discord.behaviour import Fault, once
from tests.independent_discord.channel import name_of, names
from tests.independent_discord.machine import Program, user_machine
from tests.independent_discord.server import FakeDiscord
from tests.size import size

LOW = [f"low{number}" for number in range(size(2_500, 10_000))]


def late_by(discord: FakeDiscord, strategy: Program, name: str) -> float:
    """Send an urgent signal, and return the seconds until it was shown."""
    sent = strategy.send([name], priority="URGENT")
    assert discord.wait_for(lambda: name in names(discord.shown()), 20)
    return next(each.at for each in discord.shown() if name_of(each) == name) - sent[name]


def hanging(discord: FakeDiscord) -> list[str]:
    """The messages that were read and are never answered."""
    return [name_of(each) for each in list(discord.requests) if each.hangs]


def test_urgent_signals_leave_at_once_behind_thousands_of_others_and_beside_a_hanging_one(tmp_path: Path) -> None:
    with (
        FakeDiscord() as discord,
        user_machine(tmp_path / "machine", DISCORD_WEBHOOK_SIGNALS_FREE=discord.webhook("signals")) as machine,
    ):
        strategy = machine.strategy("service")
        strategy.send(LOW, priority="LOW")
        assert discord.wait_for(lambda: len(discord.shown()) >= 3, 20)
        waited = {"urgent0": late_by(discord, strategy, "urgent0")}
        discord.behaviour = once(Fault.HANGS, lambda request: name_of(request) in LOW)
        assert discord.wait_for(lambda: hanging(discord), 20), "none of the others was sent"
        for name in ("urgent1", "urgent2"):
            waited[name] = late_by(discord, strategy, name)
        assert len(hanging(discord)) == 1, "it no longer hangs"
        sys.stdout.write(f"seconds from its send to its arrival: {waited}\n")
        assert max(waited.values()) < 1
        assert not any(each.status == 429 for each in discord.requests)
        assert len(discord.shown()) < 30, "the limits did not apply to the others"

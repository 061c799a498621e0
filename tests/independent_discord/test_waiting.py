"""Scripts that end: their signals are delivered first, if a retry, a pause or a probe allows it in time."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from threading import Timer

import pytest

from signalpost import AsyncNotificationStartup, Config, NotificationIntegration, Signal
from signalpost.config import DestinationConfig
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED
from signalpost.secret import Secret
from tests.independent_discord import behaviour
from tests.independent_discord.http_messages import json_answer
from tests.independent_discord.machine import Machine, user_machine
from tests.independent_discord.scenarios import generous
from tests.independent_discord.server import FakeDiscord
from tests.independent_discord.strategy import idea

PAUSE = json_answer(
    429, {"message": "You are being rate limited.", "retry_after": 1.0, "global": False}, Retry_After="1"
)
OUT_FOR = 3.0


def refuses(discord: FakeDiscord) -> Callable[[], None]:
    """It refuses connections."""
    discord.close_port()
    return discord.open_port


def answers_503(discord: FakeDiscord) -> Callable[[], None]:
    """It answers 503 to everything."""
    discord.behaviour = behaviour.unavailable
    return lambda: setattr(discord, "behaviour", behaviour.as_usual)


def rejects_messages(discord: FakeDiscord) -> Callable[[], None]:
    """It answers 503 to messages, and probes as usual."""
    discord.behaviour = behaviour.rejects_messages
    return lambda: setattr(discord, "behaviour", behaviour.as_usual)


@contextmanager
def started(discord: FakeDiscord, home: Path) -> Iterator[NotificationIntegration]:
    """A bot's integration, which is stopped at the end."""
    destinations = (DestinationConfig("signals-free", Secret(discord.webhook("signals")), NOTHING_ASSUMED),)
    integration = NotificationIntegration(Config(home=home, destinations=destinations))
    integration.start()
    try:
        yield integration
    finally:
        integration.stop(0)


@pytest.mark.parametrize("begin_outage", [answers_503, rejects_messages, refuses])
@pytest.mark.parametrize("number", [1, 10])
def test_an_outage_of_three_seconds_costs_a_flush_two_more(
    begin_outage: Callable[[FakeDiscord], Callable[[], None]], number: int, tmp_path: Path
) -> None:
    signals: list[Signal] = [idea(str(each)) for each in range(number)]
    with FakeDiscord(generous) as discord, started(discord, tmp_path) as integration:
        end_outage = begin_outage(discord)
        for each in signals:
            integration.send_signal(each).result(10)
        timer = Timer(OUT_FOR, end_outage)
        timer.start()
        began = time.monotonic()
        left = integration.flush(30)
        took = time.monotonic() - began
        timer.join()
        assert left == 0
        assert len(discord.shown()) >= number
        assert integration.stop(5) == 0
        sys.stdout.write(f"{number} signals, {begin_outage.__name__}: flushed {took - OUT_FOR:.2f} s after the end\n")
        assert took < OUT_FOR + 2.5  # 2, and what a busy machine takes


def test_a_stop_waits_for_a_pause_of_a_second(tmp_path: Path) -> None:
    with FakeDiscord(generous) as discord, started(discord, tmp_path) as integration:
        discord.behaviour = behaviour.once(PAUSE, lambda _: True)
        integration.send_signal(idea("paused")).result(10)
        assert integration.stop(10) == 0
        assert [each.status for each in discord.requests if each.method == "POST"] == [429, 200]


def published(machine: Machine) -> int:
    words = ("signal", "--pair", "EURUSD", "--timeframe", "H4", "--side", "buy", "--entry", "1.1634")
    return machine.published(*words, "--timeout", "30")


@pytest.mark.parametrize("response", [PAUSE, json_answer(503, {"message": "upstream connect error"})])
def test_publish_waits_for_the_retry_within_its_timeout(response: object, tmp_path: Path) -> None:
    with (
        FakeDiscord(generous) as discord,
        user_machine(tmp_path / "machine", DISCORD_WEBHOOK_SIGNALS_FREE=discord.webhook("signals")) as machine,
    ):
        discord.behaviour = behaviour.once(response, lambda _: True)  # type: ignore[arg-type]
        assert published(machine) == 0
        assert [each.status for each in discord.requests if each.method == "POST"][-1] == 200


def test_publish_does_not_wait_for_the_deliveries_of_others(tmp_path: Path) -> None:
    with (
        FakeDiscord(generous) as discord,
        user_machine(
            tmp_path / "machine",
            DISCORD_WEBHOOK_SIGNALS_FREE=discord.webhook("signals"),
            DISCORD_WEBHOOK_ALERTS_CRITICAL=discord.webhook("alerts"),
        ) as machine,
    ):
        pause = json_answer(429, {"message": "You are being rate limited.", "retry_after": 29.0, "global": False})
        discord.behaviour = behaviour.always(pause, lambda request: request.webhook == "alerts")
        machine.publish("alert", "--type", "feed", "--severity", "high", "--title", "t")
        began = time.monotonic()
        assert published(machine) == 0
        assert time.monotonic() - began < 25
        assert len(discord.shown("signals")) == 1


async def test_a_stop_in_a_running_loop_does_not_block_the_loop(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    moments: list[float] = []

    def trade() -> None:
        moments.append(time.monotonic())
        loop.call_later(0.01, trade)

    with FakeDiscord(generous) as discord, started(discord, tmp_path) as integration:
        discord.behaviour = behaviour.hangs
        startup = AsyncNotificationStartup(integration)
        await integration.send_signal(idea("hangs"))
        trade()
        assert await startup.on_strategy_stop(2.0) == 1
        gaps = [after - before for before, after in pairwise([*moments, time.monotonic()])]
        assert len(gaps) > 20
        assert max(gaps) < 1.0

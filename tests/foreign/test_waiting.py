"""Scripts that end: what they sent is delivered first, if a retry, a pause or a probe makes that possible in time."""

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
from tests.foreign import conduct
from tests.foreign.far_end import FarEnd
from tests.foreign.http_talk import in_json
from tests.foreign.scenes import generous
from tests.foreign.stage import Stage, stage
from tests.foreign.strategy import idea

PAUSE = in_json(429, {"message": "You are being rate limited.", "retry_after": 1.0, "global": False}, Retry_After="1")
OUT_FOR = 3.0


def refuses(far_end: FarEnd) -> Callable[[], None]:
    """Its port is closed."""
    far_end.close_door()
    return far_end.open_door


def answers_503(far_end: FarEnd) -> Callable[[], None]:
    """It answers 503 to everything."""
    far_end.conduct = conduct.away
    return lambda: setattr(far_end, "conduct", conduct.well)


def takes_no_messages(far_end: FarEnd) -> Callable[[], None]:
    """It answers 503 to messages, and questions as usual."""
    far_end.conduct = conduct.takes_no_messages
    return lambda: setattr(far_end, "conduct", conduct.well)


@contextmanager
def started(far_end: FarEnd, home: Path) -> Iterator[NotificationIntegration]:
    """A bot's integration, which is stopped in the end."""
    destinations = (DestinationConfig("signals-free", Secret(far_end.webhook("signals")), NOTHING_ASSUMED),)
    integration = NotificationIntegration(Config(home=home, destinations=destinations))
    integration.start()
    try:
        yield integration
    finally:
        integration.stop(0)


@pytest.mark.line("6.1.1")
@pytest.mark.parametrize("leave", [answers_503, takes_no_messages, refuses])
@pytest.mark.parametrize("number", [1, 10])
def test_an_outage_of_three_seconds_costs_a_flush_two_more(
    leave: Callable[[FarEnd], Callable[[], None]], number: int, tmp_path: Path
) -> None:
    signals: list[Signal] = [idea(str(each)) for each in range(number)]
    with FarEnd(generous) as far_end, started(far_end, tmp_path) as integration:
        come_back = leave(far_end)
        for each in signals:
            integration.send_signal(each).result(10)
        timer = Timer(OUT_FOR, come_back)
        timer.start()
        began = time.monotonic()
        left = integration.flush(30)
        took = time.monotonic() - began
        timer.join()
        assert left == 0
        assert len(far_end.shown()) >= number
        assert integration.stop(5) == 0
        sys.stdout.write(f"{number} signals, {leave.__name__}: flushed {took - OUT_FOR:.2f} s after the end\n")
        assert took < OUT_FOR + 2.5  # 2, and what a busy machine takes


@pytest.mark.line("6.1.1")
def test_a_pause_of_a_second_is_waited_for_by_a_stop(tmp_path: Path) -> None:
    with FarEnd(generous) as far_end, started(far_end, tmp_path) as integration:
        far_end.conduct = conduct.once(PAUSE, lambda _: True)
        integration.send_signal(idea("paused")).result(10)
        assert integration.stop(10) == 0
        assert [each.status for each in far_end.requests if each.method == "POST"] == [429, 200]


def published(at: Stage) -> int:
    words = ("signal", "--pair", "EURUSD", "--timeframe", "H4", "--side", "buy", "--entry", "1.1634")
    return at.published(*words, "--timeout", "30")


@pytest.mark.line("6.1.1")
@pytest.mark.parametrize("met", [PAUSE, in_json(503, {"message": "upstream connect error"})])
def test_publish_waits_for_the_retry_within_its_timeout(met: object, tmp_path: Path) -> None:
    with (
        FarEnd(generous) as far_end,
        stage(tmp_path / "stage", DISCORD_WEBHOOK_SIGNALS_FREE=far_end.webhook("signals")) as at,
    ):
        far_end.conduct = conduct.once(met, lambda _: True)  # type: ignore[arg-type]
        assert published(at) == 0
        assert [each.status for each in far_end.requests if each.method == "POST"][-1] == 200


def test_publish_does_not_wait_for_what_others_left(tmp_path: Path) -> None:
    with (
        FarEnd(generous) as far_end,
        stage(
            tmp_path / "stage",
            DISCORD_WEBHOOK_SIGNALS_FREE=far_end.webhook("signals"),
            DISCORD_WEBHOOK_ALERTS_CRITICAL=far_end.webhook("alerts"),
        ) as at,
    ):
        pause = in_json(429, {"message": "You are being rate limited.", "retry_after": 9.0, "global": False})
        far_end.conduct = conduct.always(pause, lambda request: request.webhook == "alerts")
        at.publish("alert", "--type", "feed", "--severity", "high", "--title", "t")
        began = time.monotonic()
        assert published(at) == 0
        assert time.monotonic() - began < 8
        assert len(far_end.shown("signals")) == 1


@pytest.mark.line("6.1.3")
async def test_a_stop_in_a_running_loop_does_not_hold_the_loop_up(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    moments: list[float] = []

    def trade() -> None:
        moments.append(time.monotonic())
        loop.call_later(0.01, trade)

    with FarEnd(generous) as far_end, started(far_end, tmp_path) as integration:
        far_end.conduct = conduct.hangs
        startup = AsyncNotificationStartup(integration)
        await integration.send_signal(idea("hangs"))
        trade()
        assert await startup.on_strategy_stop(2.0) == 1
        gaps = [after - before for before, after in pairwise([*moments, time.monotonic()])]
        assert len(gaps) > 20
        assert max(gaps) < 1.0

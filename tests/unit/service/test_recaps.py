"""Recaps leave once for each day and week, of what a destination showed, whatever crashes, fails or was down."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from signalpost import Config, UserTier, clock
from signalpost.config import DestinationConfig
from signalpost.delivery.outbox.commands import LoadState
from signalpost.delivery.pacing.limits import NOTHING_ASSUMED
from signalpost.domain.change import Close
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.events import Taken
from signalpost.domain.ledger import StreamState
from signalpost.domain.recap import Recap, RecapDays, Recurrence
from signalpost.domain.ticket import Outcome
from signalpost.secret import Secret
from signalpost.service.recaps import Recaps
from signalpost.testing.virtual_loop import run_virtual
from tests.contracts.book_driver import Driver
from tests.unit.config.webhooks import url
from tests.unit.delivery.intake_harness import IntakeHarness, signal

START = datetime(2026, 11, 26, 12, tzinfo=UTC)
"""A Thursday."""
MIDNIGHT = datetime(2026, 11, 27, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
FREE, PREMIUM = "signals-free", "signals-premium"
DAILY, WEEKLY = Recurrence.DAILY, Recurrence.WEEKLY


def config(*wanted: tuple[str, tuple[Recurrence, ...]], days: RecapDays = RecapDays(), **fields: Any) -> Config:  # noqa: B008
    destinations = tuple(
        DestinationConfig(name, Secret(url(number)), NOTHING_ASSUMED, recaps=recaps, recap_days=days)
        for number, (name, recaps) in enumerate(wanted)
    )
    return Config(home=Path("home"), destinations=destinations, **fields)


class Channel(IntakeHarness):
    """A book whose signals are shown, and a process that sends recaps until it is killed."""

    def __init__(self, wanted: Config) -> None:
        super().__init__()
        self.config = wanted
        self.driver = Driver(self.outbox, Path())
        self.start()

    def start(self) -> None:
        self._task = asyncio.ensure_future(Recaps(self.intake, self.config).run())

    async def kill(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def publish(self, name: str, *, tier: str = "free", shown: bool = True) -> None:
        made = signal(signal_id=name, stop_loss="1.09", timestamp=clock.now(), valid_until=clock.now() + 90 * DAY)
        await self.intake.accept(made, user_tier=tier)
        if shown:
            await self.serve(f"signals-{tier}")

    async def serve(self, lane: str) -> None:
        self.driver.now = clock.now()
        while entries := (await self.driver.lease(lane)).entries:
            await self.driver.settle(entries[0])

    async def end(self, name: str, price: str = "1.11") -> None:
        await self.intake.amend(name, Close(price=price), exact=True)

    @property
    def recaps(self) -> list[Recap]:
        """The recaps that were accepted."""
        taken = [each for each in self.events if isinstance(each, Taken) and each.ticket.outcome is Outcome.ACCEPTED]
        return [each.notification.payload for each in taken if isinstance(each.notification.payload, Recap)]

    @property
    def facts(self) -> list[tuple[str | None, str, str, int]]:
        """The destination of each recap, its length, its last day, and its trades."""
        return [
            (each.destination, each.period.recurrence, f"{each.period.last_day}", each.closed) for each in self.recaps
        ]


def channel(test: Callable[[Channel], Awaitable[None]], wanted: Config, at: datetime = START) -> None:
    async def main() -> None:
        made = Channel(wanted)
        try:
            await asyncio.sleep(1)
            await test(made)
        finally:
            await made.kill()

    run_virtual(main(), at)


async def until(at: datetime) -> None:
    await asyncio.sleep((at - clock.now()).total_seconds())


def test_each_destination_gets_the_recap_of_a_day_a_few_minutes_after_it() -> None:
    async def test(made: Channel) -> None:
        for tier, price in (("free", "1.11"), ("premium", "1.08")):
            await made.publish(f"s-{tier}", tier=tier)
            await made.end(f"s-{tier}", price)
        await made.publish("open")
        await until(MIDNIGHT + 5 * MINUTE - MINUTE)
        assert made.facts == []
        await until(MIDNIGHT + 7 * MINUTE)
        assert made.facts == [(FREE, "daily", "2026-11-26", 1), (PREMIUM, "daily", "2026-11-26", 1)]
        free, premium = made.recaps
        assert (free.wins, free.r, free.open, premium.losses, premium.open) == (1, 1, 1, 1, 0)
        assert (free.period.since, free.period.until) == (MIDNIGHT - DAY, MIDNIGHT)
        assert free.valid_until == MIDNIGHT + DAY, "then the next one is due"
        taken = [each.notification for each in made.events if isinstance(each, Taken)]
        assert [each.user_tier for each in taken if each.payload in {free, premium}] == [
            UserTier.FREE,
            UserTier.PREMIUM,
        ]
        await until(MIDNIGHT + DAY + 7 * MINUTE)
        assert made.facts[2:] == [(FREE, "daily", "2026-11-27", 0)], "one is still open there, and none in the other"

    channel(test, config((FREE, (DAILY,)), (PREMIUM, (DAILY,))))


def test_a_week_and_a_day_end_at_the_hour_of_the_time_zone() -> None:
    async def test(made: Channel) -> None:
        await made.publish("a")
        await made.end("a")
        await until(datetime(2026, 11, 26, 22, 7, tzinfo=UTC))
        assert made.facts == [(FREE, "daily", "2026-11-26", 1)]
        await made.publish("b")
        await made.end("b")
        await until(datetime(2026, 11, 29, 22, 7, tzinfo=UTC))
        assert made.facts[1:] == [(FREE, "daily", "2026-11-27", 1), (FREE, "weekly", "2026-11-29", 2)]
        assert made.recaps[-1].valid_until == datetime(2026, 12, 6, 22, tzinfo=UTC)

    channel(test, config((FREE, (DAILY, WEEKLY)), days=RecapDays("America/New_York", 17)))


def test_after_downtime_only_the_newest_recap_is_sent_and_only_once() -> None:
    async def test(made: Channel) -> None:
        for name in ("a", "b", "c"):
            await made.publish(name)
        await made.end("a")
        await made.kill()
        await until(MIDNIGHT + HOUR)
        await made.end("b")
        await until(MIDNIGHT + DAY + HOUR)
        await made.end("c")
        await until(MIDNIGHT + 2 * DAY + HOUR)
        made.start()
        await asyncio.sleep(4 * 60)
        assert made.facts == [], "results are still being found"
        await asyncio.sleep(3 * 60)
        assert made.facts == [(FREE, "daily", "2026-11-28", 1)]
        await made.kill()
        made.events.clear()
        made.start()
        await asyncio.sleep(3 * HOUR.total_seconds())
        assert made.facts == []

    channel(test, config((FREE, (DAILY,))))


def test_periods_before_the_first_start_have_no_recap() -> None:
    async def test(made: Channel) -> None:
        await made.publish("a")
        await made.end("a")
        await made.kill()
        made.config = config((FREE, (DAILY,)))
        await until(MIDNIGHT + HOUR)
        made.start()
        await asyncio.sleep(HOUR.total_seconds())
        assert made.facts == []

    channel(test, config((FREE, ())))


def test_a_failing_store_delays_a_recap() -> None:
    async def test(made: Channel) -> None:
        await made.publish("a")
        await made.end("a")
        await until(MIDNIGHT)
        made.outbox.fails = True
        await asyncio.sleep(2 * HOUR.total_seconds())
        assert made.facts == []
        made.outbox.fails = False
        await asyncio.sleep(90)
        assert made.facts == [(FREE, "daily", "2026-11-26", 1)]

    channel(test, config((FREE, (DAILY,))))


def test_two_processes_send_it_once() -> None:
    async def test(made: Channel) -> None:
        await made.publish("a")
        await made.end("a")
        other = asyncio.ensure_future(Recaps(made.intake, made.config).run())
        await until(MIDNIGHT + HOUR)
        other.cancel()
        assert made.facts == [(FREE, "daily", "2026-11-26", 1)]
        rows = [each for each in await made.rows() if each.notification.kind == "recap"]
        assert [(each.delivery.id.destination, each.delivery.state) for each in rows] == [(FREE, DeliveryState.PENDING)]

    channel(test, config((FREE, (DAILY,))))


def test_a_clock_that_was_ahead_stops_no_recap() -> None:
    async def test(made: Channel) -> None:
        await made.publish("a")
        await made.end("a")
        await made.kill()
        ahead = StreamState("daily recap of signals-free", "1", MIDNIGHT + 700 * DAY, b"")
        await made.intake.commit(ahead, ())
        made.start()
        await until(MIDNIGHT + 7 * MINUTE)
        assert made.facts == [(FREE, "daily", "2026-11-26", 1)]

    channel(test, config((FREE, (DAILY,))))


def test_signals_that_ended_before_they_were_shown_are_reported_even_if_they_are_all() -> None:
    """Otherwise a channel could leave out what it dropped."""

    async def test(made: Channel) -> None:
        await made.publish("a", shown=False)
        await made.end("a", "1.08")
        await until(MIDNIGHT + HOUR)
        assert made.facts == [(FREE, "daily", "2026-11-26", 0)]
        assert (made.recaps[0].not_shown, made.recaps[0].losses, made.recaps[0].r) == (1, 0, 0)
        await until(MIDNIGHT + DAY + HOUR)
        assert len(made.facts) == 1

    channel(test, config((FREE, (DAILY,))))


def test_an_empty_recap_is_not_sent() -> None:
    async def test(made: Channel) -> None:
        await made.publish("premium", tier="premium")
        await until(MIDNIGHT + HOUR)
        assert made.facts == []
        state = await made.outbox.do(LoadState("daily recap of signals-free"))
        assert state is not None
        assert state.watermark == MIDNIGHT

    channel(test, config((FREE, (DAILY,))))


def test_a_replay_has_no_recaps() -> None:
    async def test(made: Channel) -> None:
        await until(MIDNIGHT + HOUR)
        assert await made.outbox.do(LoadState("daily recap of signals-free")) is None

    channel(test, config((FREE, (DAILY,)), run="r1"))

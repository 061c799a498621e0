"""After a change of the hour or time zone of recaps, each trade is still in one recap of a day and in one of a week."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from signalpost import clock
from signalpost.domain.recap import Recap, RecapDays, Recurrence
from signalpost.service import recaps as service_recaps
from tests.size import size
from tests.unit.service.test_recaps import DAILY, DAY, FREE, HOUR, MINUTE, WEEKLY, Channel, channel, config, until

CHANGES = {
    "later": ("2026-11-26", RecapDays(), 20, RecapDays("UTC", 17)),
    "later-and-due-at-once": ("2026-11-26", RecapDays(), 30, RecapDays("UTC", 5)),
    "earlier": ("2026-11-26", RecapDays("UTC", 17), 20, RecapDays()),
    "while-a-recap-is-due": ("2026-11-26", RecapDays(), 24, RecapDays("UTC", 1)),
    "farther-west": ("2026-11-26", RecapDays("Pacific/Auckland"), 26, RecapDays("America/New_York", 17)),
    "farther-east": ("2026-11-26", RecapDays("America/New_York", 17), 26, RecapDays("Pacific/Auckland")),
    "clocks-go-back": ("2026-10-31", RecapDays("America/New_York"), 34, RecapDays("Europe/Berlin", 3)),
    "clocks-go-forward": ("2026-03-07", RecapDays("UTC", 12), 40, RecapDays("America/New_York", 3)),
}


@pytest.fixture(autouse=True)
def _looks_each_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look for each minute of weeks would take long."""
    monkeypatch.setattr(service_recaps, "_LOOK_EVERY", 600.0)


async def end_trades(made: Channel, at: datetime, every: timedelta) -> list[datetime]:
    """Open and end a trade at each of these intervals up to `at`, and return the times."""
    ends = []
    while clock.now() + every < at:
        await until(clock.now() + every)
        name = f"s{len(made.events)}"
        await made.publish(name)
        await made.end(name)
        ends.append(clock.now())
    await until(at)
    return ends


def check(made: Channel, recurrence: Recurrence, ends: list[datetime], first: datetime) -> list[Recap]:
    """Return the recaps of this length, after checking that they count each trade that ended from `first` on once."""
    recaps = [each for each in made.recaps if each.period.recurrence is recurrence]
    last = recaps[-1].period.until
    counted = [at for at in ends if first <= at < last]
    assert [sum(each.period.since <= at < each.period.until for each in recaps) for at in counted] == [1] * len(counted)
    assert sum(each.closed for each in recaps) == len(counted) > 0
    return recaps


async def changed(made: Channel, days: RecapDays, pause: timedelta = timedelta(0)) -> None:
    """Stop, and start after a pause with other days."""
    await made.kill()
    await until(clock.now() + pause)
    made.config = config((FREE, (DAILY, WEEKLY)), days=days)
    made.start()


@pytest.mark.parametrize(("day", "old", "hours", "new"), CHANGES.values(), ids=CHANGES)
def test_a_change_counts_no_trade_twice_and_skips_none(day: str, old: RecapDays, hours: int, new: RecapDays) -> None:
    start = datetime.fromisoformat(f"{day}T00:01:00Z")

    async def test(made: Channel) -> None:
        ends = await end_trades(made, start + hours * HOUR, 50 * MINUTE)
        await changed(made, new)
        ends += await end_trades(made, start + 18 * DAY, 370 * MINUTE)
        for recurrence in (DAILY, WEEKLY):
            first = old.newest(recurrence, start).until
            recaps = check(made, recurrence, ends, first)
            assert sum(each.period.is_adjusted for each in recaps) <= 1
            assert recaps[-1].period == new.newest(recurrence, clock.now() - 16 * MINUTE)
        assert any(each.period.is_adjusted for each in made.recaps)

    channel(test, config((FREE, (DAILY, WEEKLY)), days=old), start)


def test_a_change_during_downtime_of_less_than_a_day_skips_nothing() -> None:
    start = datetime(2026, 11, 26, 0, 1, tzinfo=UTC)

    async def test(made: Channel) -> None:
        ends = await end_trades(made, start + 23 * HOUR, 50 * MINUTE)
        await changed(made, RecapDays("UTC", 1), pause=3 * HOUR)
        ends += await end_trades(made, start + 4 * DAY, 50 * MINUTE)
        first, *_ = check(made, DAILY, ends, start - MINUTE)
        assert (first.period.since, first.period.until) == (start - MINUTE, start - MINUTE + 25 * HOUR)

    channel(test, config((FREE, (DAILY, WEEKLY))), start)


@pytest.mark.parametrize("seed", range(size(1, 8)))
def test_any_changes_count_each_trade_once(seed: int) -> None:
    random = Random(seed)
    zones = ("UTC", "America/New_York", "Australia/Lord_Howe", "Pacific/Auckland", "Asia/Kathmandu")
    start = datetime(2026, random.choice((3, 10)), 20, 7, tzinfo=UTC)

    def days() -> RecapDays:
        return RecapDays(random.choice(zones), random.randrange(24))

    first = days()

    async def test(made: Channel) -> None:
        ends: list[datetime] = []
        for _ in range(6):
            ends += await end_trades(made, clock.now() + random.uniform(1, 60) * HOUR, 70 * MINUTE)
            await changed(made, days())
        ends += await end_trades(made, start + 24 * DAY, 170 * MINUTE)
        for recurrence in (DAILY, WEEKLY):
            check(made, recurrence, ends, first.newest(recurrence, start).until)

    channel(test, config((FREE, (DAILY, WEEKLY)), days=first), start)

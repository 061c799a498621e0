"""Price notes edit cards quietly, unless a cooldown or a maximum stops them. Other changes are never stopped."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from signalpost import clock
from signalpost.delivery.deduplication import Filters
from signalpost.delivery.outbox.book import FindTrades
from signalpost.delivery.outbox.commands import OutboxEntry
from signalpost.domain.change import Change, Close, Fill, NotePrice, Update
from signalpost.domain.trade import FollowState, PriceNote, Trade
from signalpost.testing.manual_clock import ManualClock
from tests.contracts.book_driver import Driver
from tests.tmpfs import new_core, with_connection
from tests.unit.delivery.intake_harness import NOW, IntakeHarness, signal

MINUTE = timedelta(minutes=1)
LANE = "signals-free"
LEVELS = {"stop_loss": "1.09", "targets": ["1.11", "1.12"]}


@pytest.fixture(autouse=True)
def clock_at_noon() -> Iterator[ManualClock]:
    with ManualClock(NOW) as manual:
        yield manual


def note(level: str = "1.105", **fields: Any) -> NotePrice:
    price = Decimal(level)
    return NotePrice(**{"level": price, "price": price, "at": clock.now(), "from_feed": True, **fields})


def fill() -> Fill:
    return Fill(price="1.1", at=clock.now(), from_feed=True)


class Notes(IntakeHarness):
    """An intake whose trades a feed follows."""

    def __init__(self, core: Any = None, **filters: Any) -> None:
        super().__init__(core=core, filters=Filters(**filters))
        self.driver = Driver(self.outbox, Path())

    async def open(self, name: str = "s1", **fields: Any) -> None:
        """Open a signal, show it and fill it."""
        levels = {"stop_loss": "1.11", "targets": ["1.09"]} if fields.get("signal_type") == "SELL" else LEVELS
        assert await self.intake.accept(signal(signal_id=name, **levels, **fields))
        await self.send()
        await self.follow(fill(), name=name)
        await self.send()

    async def send(self) -> list[OutboxEntry]:
        """Send all that is due to the lane."""
        self.driver.now = clock.now()
        sent = []
        while entries := (await self.driver.lease(LANE)).entries:
            sent += entries
            await self.driver.settle(entries[0])
        return sent

    async def follow(self, *changes: Change, name: str = "s1") -> Trade:
        before = await self.trade(name)
        states = {name: FollowState(since=clock.now())}
        made = [(name, each) for each in changes]
        assert await self.intake.amendments.follow(made, {name: before.version}, states, clock.now())
        return await self.trade(name)

    async def noted(self, level: str = "1.105", name: str = "s1") -> str | None:
        """The rule that stops a note now; None if it is posted."""
        stopped_for = noted_on(await self.follow(note(level), name=name)).stopped_for
        return None if stopped_for is None else stopped_for.partition(":")[0]

    async def trade(self, name: str = "s1") -> Trade:
        (entry,) = await self.intake.find(FindTrades(name))
        return entry.trade


def noted_on(trade: Trade) -> PriceNote:
    assert trade.price_note is not None
    return trade.price_note


async def test_a_note_is_an_edit_of_low_priority_without_a_companion(clock_at_noon: ManualClock) -> None:
    harness = Notes()
    await harness.open()
    clock_at_noon.advance(MINUTE)
    await harness.follow(note())
    assert harness.woken[-1][:2] == ((LANE,), 1)
    (entry,) = await harness.send()
    assert (entry.is_edit, str(entry.delivery.priority.name), entry.notification.event) == (True, "LOW", "v3")
    assert (await harness.rows())[-1].delivery.state == "delivered"
    assert noted_on(await harness.trade()) == PriceNote(Decimal("1.105"), Decimal("1.105"), NOW + MINUTE)


async def test_a_stopped_note_is_recorded_with_its_rule_and_its_level(clock_at_noon: ManualClock) -> None:
    harness = Notes(max_per_day=1)
    await harness.open()
    clock_at_noon.advance(MINUTE)
    trade = await harness.follow(note())
    assert await harness.send() == []
    last = (await harness.rows())[-1]
    assert (last.delivery.state, last.delivery.rule, last.notification.event) == ("suppressed", "max-per-day", "v3")
    stopped = noted_on(trade)
    assert (stopped.level, stopped.stopped_for) == (Decimal("1.105"), last.delivery.reason)
    assert harness.woken[-1][0] == ()
    await harness.follow(Close(price="1.12", reason="target", at=clock.now(), from_feed=True))
    clock_at_noon.advance(MINUTE)
    assert [each.notification.event for each in await harness.send()] == ["v4", "v4 companion"]


async def test_a_waiting_edit_takes_the_note_along(clock_at_noon: ManualClock) -> None:
    harness = Notes()
    await harness.open()
    clock_at_noon.advance(MINUTE)
    hit = Update(target_hit=1, at=clock.now(), from_feed=True)
    await harness.follow(hit, note("1.11"))
    (entry,) = await harness.send()
    assert (entry.notification.event, entry.delivery.priority.name) == ("v4", "NORMAL")
    clock_at_noon.advance(MINUTE)
    assert [each.notification.event for each in await harness.send()] == ["v3 companion"]


async def test_for_notes_maxima_count_signals_and_notes_and_for_signals_only_signals(
    clock_at_noon: ManualClock,
) -> None:
    harness = Notes(max_per_hour=3)
    await harness.open()
    rules = []
    for level in ("1.105", "1.11", "1.105"):
        clock_at_noon.advance(MINUTE)
        rules.append(await harness.noted(level))
    assert rules == [None, None, "max-per-hour"]
    tickets = [await harness.intake.accept(signal(signal_id=name)) for name in "abc"]
    assert [each.code for each in tickets] == [None, None, "max-per-hour"]
    clock_at_noon.advance(62 * MINUTE)
    assert await harness.noted() is None


async def test_a_cooldown_stops_notes_after_a_signal_or_note_of_the_same_pair_and_side(
    clock_at_noon: ManualClock,
) -> None:
    harness = Notes(pair_cooldown_minutes=15)
    await harness.open()
    await harness.open("other", pair="GBPUSD")
    clock_at_noon.advance(14 * MINUTE)
    assert await harness.noted() == "pair-cooldown"
    clock_at_noon.advance(MINUTE)
    assert await harness.noted() is None
    assert await harness.noted(name="other") is None
    clock_at_noon.advance(14 * MINUTE)
    assert await harness.noted("1.11") == "pair-cooldown"
    await harness.open("short", signal_type="SELL")
    assert await harness.noted("1.105") is None, "the pair's last signal is of the other side"
    assert await harness.noted("1.095", name="short") is None, "the pair's last note is of the other side"
    assert await harness.noted("1.09", name="short") == "pair-cooldown"
    clock_at_noon.advance(14 * MINUTE)
    assert await harness.intake.accept(signal(signal_id="b", signal_type="BUY")), "notes never stop signals"


async def test_signals_after_the_close_of_its_candle_do_not_count_for_a_note(clock_at_noon: ManualClock) -> None:
    harness = Notes(max_per_hour=2, pair_cooldown_minutes=15)
    await harness.open()
    clock_at_noon.advance(16 * MINUTE)
    closed_at = clock.now()
    for name, minutes in (("GBPUSD", 1), ("EURUSD", 1)):
        clock_at_noon.advance(minutes * MINUTE)
        await harness.intake.accept(signal(signal_id=name, pair=name))
    assert noted_on(await harness.follow(note(at=closed_at))).stopped_for is None
    assert await harness.noted("1.11") == "pair-cooldown"


async def test_other_changes_are_never_stopped(clock_at_noon: ManualClock) -> None:
    harness = Notes(max_per_day=1, pair_cooldown_minutes=99)
    await harness.open()
    clock_at_noon.advance(MINUTE)
    changes = [
        Update(target_hit=1, at=clock.now(), from_feed=True),
        Update(stop_loss="1.1"),
        Close(price="1.1", reason="stop", at=clock.now(), from_feed=True),
    ]
    for each in changes:
        await harness.follow(each)
        assert [entry.delivery.priority.name != "LOW" for entry in await harness.send()] == [True]


@pytest.mark.parametrize(("cooldown_days", "counts"), [(0, [1, 2, 2, 2]), (1, [1, 1, 1, 1]), (2, [1, 1, 1, 1])])
async def test_notes_are_forgotten_when_no_filter_counts_them_any_more(
    clock_at_noon: ManualClock, cooldown_days: int, counts: list[int]
) -> None:
    core, db = with_connection(new_core)
    harness = Notes(core, pair_cooldown_minutes=cooldown_days * 24 * 60)
    await harness.open()
    clock_at_noon.advance(timedelta(days=4))
    found = []
    for level in ("1.105", "1.11", "1.105", "1.11"):
        await harness.noted(level)
        found.append(db.execute("SELECT count(*) FROM price_note").fetchone()[0])
        clock_at_noon.advance(timedelta(hours=12))
    assert found == counts


DAMAGES = ["UPDATE trade SET body = '{' WHERE sequence = 'b'", "UPDATE trade SET tiers = x'00' WHERE sequence = 'b'"]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_note_on_a_damaged_trade_is_skipped(clock_at_noon: ManualClock, damage: str) -> None:
    core, db = with_connection(new_core)
    harness = Notes(core, pair_cooldown_minutes=15)
    for name in ("a", "b"):
        await harness.open(name)
        clock_at_noon.advance(15 * MINUTE)
    assert await harness.noted(name="b") is None
    db.execute(damage)
    assert await harness.noted(name="a") is None
    assert await harness.noted("1.11", name="a") == "pair-cooldown"


async def test_a_tier_whose_card_is_not_shown_gets_no_note_of_its_own(clock_at_noon: ManualClock) -> None:
    harness = Notes()
    assert await harness.intake.accept(signal(signal_id="s1", **LEVELS))
    await harness.follow(fill())
    clock_at_noon.advance(MINUTE)
    await harness.follow(note())
    (entry,) = await harness.send()
    assert (entry.is_edit, entry.notification.event) == (False, "v3")
    assert await harness.send() == []

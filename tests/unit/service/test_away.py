"""Missed signals are read from the book and posted once in each destination, whatever crashes or fails."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from signalpost import Candle, Signal, Timeframe, UserTier, clock
from signalpost.config.feeds import Candles
from signalpost.delivery.outbox.commands import Put
from signalpost.delivery.routing import Routing, Tier
from signalpost.domain.digest import Digest
from signalpost.domain.events import Taken
from signalpost.domain.ledger import StreamState, Unpublished, UnpublishedRule
from signalpost.domain.tier import TierCopy
from signalpost.service.away import Away
from signalpost.service.following import FollowPlan
from signalpost.service.standings import Standings
from signalpost.testing.virtual_loop import run_virtual
from tests.unit.delivery.intake_harness import IntakeHarness, signal
from tests.unit.service.follow_harness import CountedFeed

AT = datetime(2026, 1, 5, 16, tzinfo=UTC)
FREE, PREMIUM, GOLD = UserTier.FREE, UserTier.PREMIUM, UserTier("gold")
TIERS = {GOLD: Tier(15, ("gold",))}
HOUR = timedelta(hours=1)


class DigestHarness(IntakeHarness):
    """A book, and a process that reads it until it is killed."""

    def __init__(self, copies: dict[UserTier, TierCopy] | None = None) -> None:
        super().__init__(tiers=TIERS)
        self.feeds: dict[str, CountedFeed] = {}
        self.plan = FollowPlan(None, {})
        self.routing = Routing(["signals-free", "signals-premium"], tiers=TIERS, copies=copies)
        self.start()

    def start(self) -> None:
        self.away = Away(self.intake, self.routing, Standings(self.feeds, self.plan))
        self._task = asyncio.ensure_future(self.away.run())

    async def kill(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def miss(
        self, *signals: Signal, tiers: tuple[UserTier, ...] = (FREE,), since: datetime | None = None
    ) -> None:
        """Record signals as a cycle does that takes their candles too late."""
        await self.record(*signals, tiers=tiers)
        self.away.missed(since)

    async def record(
        self,
        *signals: Signal,
        tiers: tuple[UserTier, ...] = (FREE,),
        rule: UnpublishedRule = UnpublishedRule.TOO_OLD,
    ) -> None:
        state = StreamState("EUR_USD H4", "1", AT, b"")
        await self.intake.commit(state, (), tiers, unpublished=[Unpublished(each, rule) for each in signals])

    @property
    def digests(self) -> list[tuple[Digest, UserTier]]:
        """The digests that were accepted."""
        taken = [each.notification for each in self.events if isinstance(each, Taken)]
        return [(each.payload, each.user_tier) for each in taken if isinstance(each.payload, Digest)]

    @property
    def ids(self) -> list[tuple[str, list[str]]]:
        """The destination of each digest, and its signals."""
        return [(each.destination, [one.signal_id for one in each.signals]) for each, _ in self.digests]


def run_service(test: Callable[[DigestHarness], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        found = DigestHarness(**options)
        try:
            await asyncio.sleep(1)
            await test(found)
        finally:
            await found.kill()

    run_virtual(main(), AT)


def missed(*names: str, **fields: Any) -> list[Signal]:
    return [signal(signal_id=name, pair=f"{name.upper()}{name.upper()}{name.upper()}USD", **fields) for name in names]


def test_each_destination_gets_one_digest_of_what_its_readers_missed() -> None:
    async def test(found: DigestHarness) -> None:
        await asyncio.sleep(60)
        await found.miss(*missed("c"), tiers=(FREE, PREMIUM), since=AT - 6 * HOUR)
        await asyncio.sleep(5)
        await found.miss(*missed("b", timestamp="2026-01-05T08:00:00Z"), tiers=(PREMIUM,), since=AT - 7 * HOUR)
        await found.miss(*missed("d"), tiers=(PREMIUM,), since=AT - 6 * HOUR)
        await asyncio.sleep(20)
        premium_ids = ["b", "c", "d"]
        assert found.ids == [("signals-free", ["c"]), ("signals-premium", premium_ids)]
        (free, free_tier), (premium, premium_tier) = found.digests
        assert (free_tier, premium_tier) == (FREE, PREMIUM)
        assert free.since == premium.since == AT - 7 * HOUR
        assert free.timestamp == AT + timedelta(seconds=61 + 15)
        assert [each.number for each in premium.signals] == [2, 1, 3]
        await found.miss(*missed("e"), since=None)
        await asyncio.sleep(100)
        assert found.ids[2:] == [("signals-free", ["e"])]
        assert found.digests[2][0].since == missed("e")[0].known_at, "without a known begin it is the first signal"

    run_service(test)


def test_a_digest_outlives_a_crash_and_is_not_repeated_after_one() -> None:
    async def test(found: DigestHarness) -> None:
        await found.miss(*missed("a"), since=AT - HOUR)
        await asyncio.sleep(5)
        await found.kill()
        assert found.ids == []
        found.start()
        await asyncio.sleep(20)
        assert found.ids == [("signals-free", ["a"])]
        assert found.digests[0][0].since == missed("a")[0].known_at
        await found.kill()
        found.start()
        await found.record(*missed("b"))
        await asyncio.sleep(100)
        assert found.ids[1:] == [("signals-free", ["b"])]

    run_service(test)


def test_a_digest_waits_for_a_store_that_fails() -> None:
    async def test(found: DigestHarness) -> None:
        await found.miss(*missed("a"), since=AT - HOUR)
        found.outbox.fails = True
        await asyncio.sleep(40)
        assert found.ids == []
        found.outbox.fails = False
        await asyncio.sleep(40)
        assert found.ids == [("signals-free", ["a"])]
        assert found.digests[0][0].since == AT - HOUR

    run_service(test)


def test_a_digest_is_saved_with_the_number_up_to_which_it_goes() -> None:
    async def test(found: DigestHarness) -> None:
        do, puts = found.outbox.do, list[int]()

        async def counted(command: Any) -> Any:
            if isinstance(command, Put):
                puts.append(len(command.notifications))
            return await do(command)

        await found.miss(*missed("a"))
        found.outbox.do = counted  # type: ignore[method-assign]
        await asyncio.sleep(40)
        assert puts == [1]

    run_service(test)


def test_signals_missed_at_the_end_are_reported_at_once() -> None:
    async def test(found: DigestHarness) -> None:
        await found.miss(*missed("a"))
        await found.kill()
        found.outbox.fails = True
        await found.away.close()
        found.outbox.fails = False
        await found.away.close()
        await found.away.close()
        assert found.ids == [("signals-free", ["a"])]
        assert found.digests[0][0].timestamp == clock.now()

    run_service(test)


def test_at_the_first_start_no_signal_in_the_folder_counts_as_missed() -> None:
    async def main() -> None:
        found = DigestHarness()
        await found.kill()
        await found.record(*missed("a"))
        found.start()
        await asyncio.sleep(1)
        await found.miss(*missed("b"))
        await asyncio.sleep(20)
        assert found.ids == [("signals-free", ["b"])]
        await found.intake.commit(StreamState("digest of missed signals", "1", AT, b"damaged"), ())
        await found.miss(*missed("c"))
        await asyncio.sleep(20)
        assert len(found.ids) == 1
        await found.kill()

    run_virtual(main(), AT)


def test_only_signals_that_were_too_old_are_reported() -> None:
    async def test(found: DigestHarness) -> None:
        await found.record(*missed("a"), rule=UnpublishedRule.LATE_CORRECTION)
        await found.intake.accept(missed("b")[0])
        await asyncio.sleep(20)
        assert found.ids == []

    run_service(test)


def test_a_tier_gets_no_digest_of_signals_that_it_would_not_have_got() -> None:
    sure, unsure = missed("a", confidence_score="0.9"), [*missed("b", confidence_score="0.5"), *missed("c")]

    async def test(found: DigestHarness) -> None:
        await found.miss(*sure, *unsure)
        await found.miss(*missed("d"), tiers=(FREE, GOLD))
        await asyncio.sleep(20)
        assert found.ids == [("signals-free", ["a"])], "the other has no webhook"

    run_service(test, copies={FREE: TierCopy(min_confidence=Decimal("0.8"))})


def test_a_digest_has_the_standings_of_its_signals_unless_the_service_stops() -> None:
    async def test(found: DigestHarness) -> None:
        made = missed("a", strategy_name="MA", stop_loss="1.09", targets=["1.12"])
        pair, length = made[0].pair, Timeframe("H4")
        candles = [
            Candle(time=made[0].known_at + hours * HOUR, open="1.1", high=high, low="1.099", close="1.1")
            for hours, high in ((0, "1.101"), (4, "1.13"))
        ]
        found.feeds["feed"] = CountedFeed({(pair, length): candles})
        await found.kill()
        found.plan = FollowPlan(Candles("feed", length), {})
        found.start()
        await asyncio.sleep(9 * HOUR.total_seconds())
        await found.miss(*made)
        await asyncio.sleep(20)
        assert [each.standing for each in found.digests[0][0].signals] == ["+2.00R"]
        await found.miss(*missed("b", strategy_name="MA"))
        await found.kill()
        await found.away.close()
        assert [each.standing for each in found.digests[1][0].signals] == [None]

    run_service(test)

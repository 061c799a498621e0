"""What readers missed: gathered from all streams, and said once in each destination."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from signalpost import Signal, Ticket, UserTier
from signalpost.delivery.outbox.book import BookEntry, FindTrades
from signalpost.delivery.routing import Routing, Tier
from signalpost.domain.digest import Digest
from signalpost.domain.ticket import Outcome
from signalpost.domain.tier import TierCopy
from signalpost.errors import StoreFailed
from signalpost.service.away import Away
from signalpost.testing.virtual_loop import run_virtual
from tests.unit.delivery.intake_harness import signal

AT = datetime(2026, 1, 5, 16, tzinfo=UTC)
FREE, PREMIUM, GOLD = UserTier.FREE, UserTier.PREMIUM, UserTier("gold")


class Told:
    """The digests that were accepted."""

    def __init__(self, copies: dict[UserTier, TierCopy] | None = None) -> None:
        self.digests: list[tuple[Digest, UserTier]] = []
        self.fault: Exception | None = None
        routing = Routing(["signals-free", "signals-premium"], tiers={GOLD: Tier(15, ("gold",))}, copies=copies)
        self.away = Away(self._accept, self._find, routing)

    async def _accept(self, digest: Digest, *, user_tier: UserTier) -> Ticket:
        if self.fault is not None:
            raise self.fault
        self.digests.append((digest, user_tier))
        return Ticket(Outcome.ACCEPTED, "t")

    async def _find(self, find: FindTrades) -> tuple[BookEntry, ...]:
        return ()


def missed(*names: str, **fields: Any) -> list[Signal]:
    return [signal(signal_id=name, **fields) for name in names]


def ids(digest: Digest) -> list[str]:
    return [each.signal_id for each in digest.signals]


def told(*calls: tuple[Iterable[Signal], Iterable[UserTier], datetime | None], **options: Any) -> Told:
    """What is said after these calls, within the time for which they are gathered."""
    found = Told(**options)

    async def main() -> None:
        for each in calls:
            found.away.missed(*each)
            await asyncio.sleep(5)
        await asyncio.sleep(15)
        await found.away.close()

    run_virtual(main(), AT)
    return found


def test_each_destination_is_told_once_what_its_readers_missed() -> None:
    late = missed("b", timestamp="2026-01-05T08:00:00Z")
    found = told(
        (missed("c"), [FREE, PREMIUM], AT - timedelta(hours=2)),
        (late, [PREMIUM], AT - timedelta(hours=3)),
        ([], [FREE], None),
    )
    (free, free_tier), (premium, premium_tier) = found.digests
    assert (free.destination, free_tier, ids(free)) == ("signals-free", FREE, ["c"])
    assert (premium.destination, premium_tier, ids(premium)) == ("signals-premium", PREMIUM, ["b", "c"])
    assert {each.since for each, _ in found.digests} == {AT - timedelta(hours=3)}
    assert free.timestamp == AT + timedelta(seconds=15)


def test_without_a_known_begin_it_is_the_first_signal() -> None:
    ((digest, _),) = told((missed("a"), [FREE], None)).digests
    assert digest.since == missed("a")[0].known_at


def test_a_tier_is_not_told_of_signals_that_it_would_not_have_got() -> None:
    sure, unsure = missed("a", confidence_score="0.9"), [*missed("b", confidence_score="0.5"), *missed("c")]
    found = told(([*sure, *unsure], [FREE], AT), copies={FREE: TierCopy(min_confidence=Decimal("0.8"))})
    assert [ids(digest) for digest, _ in found.digests] == [["a"]]
    assert told((missed("a"), [GOLD], AT)).digests == [], "it has no webhook"


def test_what_is_gathered_at_the_end_is_said_at_once_and_a_store_that_fails_is_no_error() -> None:
    async def main() -> None:
        found = Told()
        found.away.missed(missed("a"), [FREE], AT)
        await found.away.close()
        assert [ids(digest) for digest, _ in found.digests] == [["a"]]
        found = Told()
        found.fault = StoreFailed("the disk is full")
        found.away.missed(missed("a"), [FREE], AT)
        await asyncio.sleep(20)
        assert found.digests == []

    run_virtual(main(), AT)

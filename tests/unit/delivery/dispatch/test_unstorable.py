"""A receipt that cannot be stored stops no lane and hides no delivery. On a real file."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from signalpost.delivery.outbox.commands import Command, Settle
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.delivery import DeliveryState
from signalpost.sinks.evidence import RateFacts, Receipt, Rejected, Throttled, Unavailable
from signalpost.testing.scripted_sink import ScriptedSink
from signalpost.testing.virtual_loop import run_virtual
from tests.inline_outbox import InlineOutbox
from tests.unit.delivery.dispatch.world import FaultyOutbox, World, parts_of, wait


class Spoiling:
    """A core on a real file that fails the commands chosen by a predicate, though the file works."""

    def __init__(self, path: Path, refuses: Callable[[Command[Any]], bool] = lambda _: False) -> None:
        self._core = SqliteCore(path)
        self.refuses = refuses

    def apply(self, batch: Sequence[Command[Any]]) -> list[Any]:
        if any(self.refuses(part) for command in batch for part in parts_of(command)):
            raise TypeError("this cannot be stored")
        return self._core.apply(batch)

    def close(self) -> None:
        self._core.close()


def _outbox(core: Spoiling) -> FaultyOutbox:
    outbox = FaultyOutbox()
    InlineOutbox.__init__(outbox, core)
    return outbox


ODD_RECEIPTS: list[Any] = [
    Receipt("lone \ud800 surrogate"),
    Receipt(2**70),  # type: ignore[arg-type]
    Receipt(("not", "text")),  # type: ignore[arg-type]
    Receipt("1", "yesterday"),  # type: ignore[arg-type]
    Receipt("1", datetime(2026, 1, 1)),  # noqa: DTZ001  # naive, as a careless sink has it
    Receipt("1", datetime.max.replace(tzinfo=UTC), ("a", "b")),  # type: ignore[arg-type]
    Receipt("1", None, RateFacts("scope", "5", None, -1.0), 7),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("receipt", ODD_RECEIPTS)
def test_an_unstorable_receipt_still_counts_as_delivered_and_the_lane_continues(
    tmp_path: Path, receipt: Receipt
) -> None:
    async def run() -> None:
        core = Spoiling(tmp_path / "outbox.db")
        async with World(ScriptedSink([receipt]), workers=1, outbox=_outbox(core)) as world:
            await world.put("first")
            await world.put("second", about="other")
            await world.put("third", about="first", event="update 1")
            await wait(60)
            states = [await world.state(name) for name in ("first", "second", "third")]
            assert states == ["delivered"] * 3
        core.close()

    run_virtual(run())


@pytest.mark.parametrize(
    "evidence",
    [
        Rejected("lone \ud800 surrogate"),
        Rejected("x" * 100_000, rate="soon"),  # type: ignore[arg-type]
        Throttled("slow down", retry_after="soon", scope="destination"),  # type: ignore[arg-type]
        Throttled("slow down", retry_after=float("nan"), scope="destination"),
        Unavailable(b"bytes", rate=RateFacts("scope", 0, 0, 0.0)),  # type: ignore[arg-type]
    ],
)
def test_unstorable_evidence_is_corrected(tmp_path: Path, evidence: Exception) -> None:
    async def run() -> None:
        core = Spoiling(tmp_path / "outbox.db")
        async with World(ScriptedSink([evidence]), workers=1, outbox=_outbox(core)) as world:
            await world.put("first")
            await world.put("second", about="other")
            await wait(60)
            expected = "dead" if isinstance(evidence, Rejected) else "delivered"
            assert [await world.state("first"), await world.state("second")] == [expected, "delivered"]
            assert max(len(each.detail) for each in await world.history("first")) <= 2_000
        core.close()

    run_virtual(run())


def test_a_verdict_with_unstorable_facts_is_stored_without_them(tmp_path: Path) -> None:
    def has_receipt(command: Command[Any]) -> bool:
        return isinstance(command, Settle) and any(
            each.message is not None and each.id.notification_id == "first" for each in command.settlements
        )

    async def run() -> None:
        core = Spoiling(tmp_path / "outbox.db", has_receipt)
        async with World(ScriptedSink(), workers=1, outbox=_outbox(core)) as world:
            await world.put("first")
            await world.put("second", about="first", event="update 1")
            await wait(60)
            first = await world.delivery("first")
            assert first.state is DeliveryState.DELIVERED
            assert first.reason is not None, "the reason says that the receipt is not saved"
            assert first.message_id is None
            assert await world.state("second") == "delivered"
        core.close()

    run_virtual(run())


def test_unstorable_facts_are_not_saved(tmp_path: Path) -> None:
    def has_facts(command: Command[Any]) -> bool:
        return isinstance(command, Settle) and bool(command.facts)

    async def run() -> None:
        core = Spoiling(tmp_path / "outbox.db", has_facts)
        async with World(ScriptedSink(), workers=1, outbox=_outbox(core)) as world:
            await world.put("first")
            await wait(60)
            first = await world.delivery("first")
            assert (first.state, first.reason, first.message_id) == (DeliveryState.DELIVERED, None, "1")
        core.close()

    run_virtual(run())


def test_an_unstorable_verdict_is_left_to_the_next_start_and_the_lane_continues(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def is_of_first(command: Command[Any]) -> bool:
        return isinstance(command, Settle) and any(each.id.notification_id == "first" for each in command.settlements)

    async def run() -> None:
        core = Spoiling(tmp_path / "outbox.db", is_of_first)
        outbox = _outbox(core)
        async with World(ScriptedSink(), workers=1, outbox=outbox) as world:
            await world.put("first")
            await world.put("second", about="other")
            await wait(60)
            assert [await world.state("first"), await world.state("second")] == ["leased", "delivered"]
        async with World(ScriptedSink(), workers=1, outbox=outbox) as again:
            await again.put("third", about="another")
            await wait(60)
            assert [await again.state("first"), await again.state("third")] == ["leased", "delivered"]
        core.refuses = lambda _: False
        async with World(ScriptedSink(), workers=1, outbox=outbox) as last:
            await wait(60)
            first = await last.delivery("first")
            assert (first.state, first.may_repeat) == (DeliveryState.DELIVERED, True)
        core.close()

    run_virtual(run())
    assert any("first@signals-free" in line and "delivered" in line for line in caplog.messages)

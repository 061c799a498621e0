"""The contract catches every sink that breaks one of its promises."""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest

from signalpost.errors import Evidence
from signalpost.sinks.evidence import Receipt, Rejected, Unavailable, Unconfirmed
from signalpost.sinks.port import Answer, Item, Sink
from signalpost.testing import sink_contract as contract
from signalpost.testing.manual_clock import ManualClock

SECRET = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def clock() -> Iterator[ManualClock]:
    with ManualClock("2025-08-20T05:00:01Z") as manual:
        yield manual


class KeptSink:
    """A sink that keeps every promise. Each of its subclasses breaks one."""

    def __init__(self, evidence: Evidence | None = None, *, hangs: bool = False) -> None:
        self.evidence, self.hangs, self.is_closed = evidence, hangs, False

    async def send(self, items: Sequence[Item]) -> Receipt:
        await self._turn()
        return Receipt("1")

    async def probe(self) -> Answer:
        await self._turn()
        return Answer()

    async def close(self) -> None:
        self.is_closed = True

    async def _turn(self) -> None:
        if self.is_closed:
            raise Unavailable("closed")
        if self.hangs:
            await asyncio.Event().wait()
        for _ in range(3):
            await _Turn()
        if self.evidence is not None:
            raise copy.copy(self.evidence)


class _Turn:
    """One turn of the event loop."""

    def __await__(self) -> Iterator[None]:
        yield


def maker(kind: type[KeptSink], *arguments: object, **more: bool) -> Callable[[], object]:
    @asynccontextmanager
    async def make() -> AsyncIterator[Sink]:
        yield kind(*arguments, **more)

    return make


async def check(kind: type[KeptSink], evidence: Evidence | None = None) -> None:
    failing = [maker(kind, evidence or Rejected("refused"))]
    await contract.check_sink(maker(kind), failing=failing, hanging=maker(kind, hangs=True), secrets=[SECRET])


async def test_a_sink_that_keeps_its_promises_passes() -> None:
    await check(KeptSink)


async def test_a_sink_can_be_checked_without_failing_or_hanging_destinations() -> None:
    await contract.check_sink(maker(KeptSink))


async def broken(
    kind: type[KeptSink], checked_by: Callable[..., object] | None, *facts: str, evidence: Evidence | None = None
) -> None:
    """Check that this check of the contract fails, and that its text names these facts."""
    with pytest.raises(AssertionError) as raised:
        await check(kind, evidence)
    assert checked_by is None or checked_by.__name__ in [entry.name for entry in raised.traceback]
    assert [fact for fact in facts if fact not in str(raised.value)] == []
    assert SECRET not in str(raised.value)


async def test_no_receipt_is_caught() -> None:
    class SaysTrue(KeptSink):
        async def send(self, items):
            await super().send(items)
            return True

    await broken(SaysTrue, contract.check_receipts, "Signal")


async def test_no_receipt_for_two_notifications_is_caught() -> None:
    class OnlyOne(KeptSink):
        async def send(self, items):
            receipt = await super().send(items)
            return receipt if len(items) == 1 else None

    await broken(OnlyOne, contract.check_receipts)


async def test_an_edit_that_posts_another_message_is_caught() -> None:
    class PostsAgain(KeptSink):
        async def send(self, items):
            receipt = await super().send(items)
            return receipt if items[0].card is None else receipt._replace(message_id="2")

    await broken(PostsAgain, contract.check_edits)


async def test_no_receipt_for_an_edit_is_caught() -> None:
    class SaysTrue(KeptSink):
        async def send(self, items):
            receipt = await super().send(items)
            return receipt if items[0].card is None else True

    await broken(SaysTrue, contract.check_edits)


async def test_no_answer_to_a_probe_is_caught() -> None:
    class NoAnswer(KeptSink):
        async def probe(self):
            await super().probe()

    await broken(NoAnswer, contract.check_receipts)


async def test_a_foreign_error_is_caught() -> None:
    class Foreign(KeptSink):
        async def send(self, items):
            try:
                return await super().send(items)
            except Rejected:
                raise OSError(5) from None

    await broken(Foreign, contract.check_evidence, "OSError")


async def test_evidence_of_an_unknown_type_is_caught() -> None:
    class Unknown(Evidence):
        pass

    await broken(KeptSink, contract.check_evidence, "Unknown", evidence=Unknown("x"))


async def test_evidence_without_a_text_is_caught() -> None:
    await broken(KeptSink, contract.check_evidence, "Unconfirmed", evidence=Unconfirmed(" "))


async def test_a_foreign_error_behind_the_evidence_is_caught() -> None:
    class Chained(KeptSink):
        async def send(self, items):
            try:
                return await super().send(items)
            except Rejected as fault:
                raise Unavailable("x") from fault

    await broken(Chained, contract.check_evidence, "Unavailable")


async def test_a_receipt_for_a_failed_send_is_caught() -> None:
    class Lies(KeptSink):
        async def send(self, items):
            if self.evidence is not None:
                return Receipt("1")
            return await super().send(items)

    await broken(Lies, contract.check_evidence)


@pytest.mark.parametrize("where", ["text", "field", "variable", "repr", "receipt"])
async def test_a_secret_that_shows_is_caught(where: str) -> None:
    class Shows(KeptSink):
        async def send(self, items):
            url = f"https://x/{SECRET}" if where == "variable" else ""
            receipt = await super().send(items)
            return Receipt(SECRET) if where == "receipt" else receipt._replace(message_id=url[:0] + "1")

        def __repr__(self):
            return SECRET if where == "repr" and self.evidence else "Shows()"

    evidence = Rejected(SECRET if where == "text" else "refused")
    if where == "field":
        evidence.url = SECRET
    await broken(Shows, contract.check_receipts if where == "receipt" else contract.check_evidence, evidence=evidence)


async def test_a_send_that_ignores_cancellation_is_caught() -> None:
    class Stubborn(KeptSink):
        async def send(self, items):
            try:
                return await super().send(items)
            except asyncio.CancelledError:
                await asyncio.Event().wait()

    await broken(Stubborn, contract.check_cancellation)


async def test_a_send_that_turns_its_cancellation_into_another_error_is_caught() -> None:
    class Translates(KeptSink):
        async def send(self, items):
            try:
                return await super().send(items)
            except asyncio.CancelledError:
                raise ValueError from None

    await broken(Translates, contract.check_cancellation, "ValueError")


async def test_a_cancelled_send_may_raise_evidence() -> None:
    class Tells(KeptSink):
        async def send(self, items):
            try:
                return await super().send(items)
            except asyncio.CancelledError:
                raise Unconfirmed("cut off") from None

    await check(Tells)


async def test_a_cancelled_send_that_leaves_a_task_behind_is_caught() -> None:
    left = []

    class Leaks(KeptSink):
        async def send(self, items):
            try:
                return await super().send(items)
            except asyncio.CancelledError:
                left.append(asyncio.ensure_future(asyncio.Event().wait()))
                raise

    await broken(Leaks, contract.check_cancellation, "Event.wait()")
    for task in left:
        task.cancel()


async def test_an_answer_from_a_hanging_destination_is_caught() -> None:
    class Hurries(KeptSink):
        async def probe(self):
            if self.hangs:
                return Answer()
            return await super().probe()

    await broken(Hurries, contract.check_hanging)


async def test_sending_after_close_is_caught() -> None:
    class NeverCloses(KeptSink):
        async def close(self):
            pass

    await broken(NeverCloses, contract.check_close, "send")


async def test_a_foreign_error_after_close_is_caught() -> None:
    class Breaks(KeptSink):
        async def probe(self):
            if self.is_closed:
                raise RuntimeError("Session is closed")
            return await super().probe()

    await broken(Breaks, contract.check_close, "probe", "RuntimeError")

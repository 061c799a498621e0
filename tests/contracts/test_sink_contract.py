"""The contract catches every sink that breaks one of its promises."""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest

from signalpost.errors import Evidence
from signalpost.sinks.evidence import Receipt, Rejected, Unavailable, Unconfirmed
from signalpost.sinks.port import Answer, Item, Sink
from signalpost.testing.manual_clock import ManualClock
from signalpost.testing.sink_contract import check_sink

SECRET = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def clock() -> Iterator[ManualClock]:
    with ManualClock("2025-08-20T05:00:01Z") as manual:
        yield manual


class KeptSink:
    """A sink that keeps every promise; each of those below breaks one."""

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
    await check_sink(maker(kind), failing=failing, hanging=maker(kind, hangs=True), secrets=[SECRET])


async def test_a_sink_that_keeps_its_promises_passes() -> None:
    await check(KeptSink)


async def test_a_sink_is_checked_without_far_ends_that_fail_or_hang() -> None:
    await check_sink(maker(KeptSink))


async def broken(kind: type[KeptSink], told: str, evidence: Evidence | None = None) -> None:
    with pytest.raises(AssertionError, match=told):
        await check(kind, evidence)


async def test_no_receipt_is_caught() -> None:
    class SaysTrue(KeptSink):
        async def send(self, items):
            await super().send(items)
            return True

    await broken(SaysTrue, "sending Signal brings no receipt")


async def test_no_receipt_for_two_notifications_is_caught() -> None:
    class OnlyOne(KeptSink):
        async def send(self, items):
            receipt = await super().send(items)
            return receipt if len(items) == 1 else None

    await broken(OnlyOne, "sending two notifications brings no receipt")


async def test_no_answer_to_a_probe_is_caught() -> None:
    class NoAnswer(KeptSink):
        async def probe(self):
            await super().probe()

    await broken(NoAnswer, "brings no answer")


async def test_a_foreign_error_is_caught() -> None:
    class Foreign(KeptSink):
        async def send(self, items):
            try:
                return await super().send(items)
            except Rejected:
                raise OSError(5) from None

    await broken(Foreign, "raises OSError, which is no evidence")


async def test_evidence_that_is_not_one_of_the_four_is_caught() -> None:
    class Fifth(Evidence):
        pass

    await broken(KeptSink, "raises Fifth", Fifth("x"))


async def test_evidence_that_says_nothing_is_caught() -> None:
    await broken(KeptSink, "Unconfirmed says nothing", Unconfirmed(" "))


async def test_a_foreign_error_behind_the_evidence_is_caught() -> None:
    class Chained(KeptSink):
        async def send(self, items):
            try:
                return await super().send(items)
            except Rejected as fault:
                raise Unavailable("x") from fault

    await broken(Chained, "has a foreign error behind it")


async def test_a_failing_far_end_that_is_taken_for_well_is_caught() -> None:
    class Lies(KeptSink):
        async def send(self, items):
            if self.evidence is not None:
                return Receipt("1")
            return await super().send(items)

    await broken(Lies, "brings a receipt or an answer")


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
    await broken(Shows, "a secret is shown", evidence)


async def test_a_send_that_goes_on_when_cancelled_is_caught() -> None:
    class Stubborn(KeptSink):
        async def send(self, items):
            try:
                return await super().send(items)
            except asyncio.CancelledError:
                await asyncio.Event().wait()

    await broken(Stubborn, "it goes on")


async def test_a_send_that_turns_its_cancellation_into_another_error_is_caught() -> None:
    class Translates(KeptSink):
        async def send(self, items):
            try:
                return await super().send(items)
            except asyncio.CancelledError:
                raise ValueError from None

    await broken(Translates, "raises ValueError")


async def test_a_send_that_was_cancelled_and_says_so_as_evidence_passes() -> None:
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

    await broken(Leaks, "leaves running")
    for task in left:
        task.cancel()


async def test_a_far_end_that_hangs_and_is_taken_for_answering_is_caught() -> None:
    class Hurries(KeptSink):
        async def probe(self):
            if self.hangs:
                return Answer()
            return await super().probe()

    await broken(Hurries, "that should hang answers")


async def test_sending_after_close_is_caught() -> None:
    class NeverCloses(KeptSink):
        async def close(self):
            pass

    await broken(NeverCloses, "after close, send still works")


async def test_a_foreign_error_after_close_is_caught() -> None:
    class Breaks(KeptSink):
        async def probe(self):
            if self.is_closed:
                raise RuntimeError("Session is closed")
            return await super().probe()

    await broken(Breaks, "after close, probe raises RuntimeError")

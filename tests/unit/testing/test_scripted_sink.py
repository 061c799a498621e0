import asyncio
from datetime import timedelta

import pytest

from signalpost import clock
from signalpost.domain.notification import Notification
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.reports import Announcement
from signalpost.domain.tier import UserTier
from signalpost.sinks.evidence import Receipt, Throttled, Unavailable
from signalpost.sinks.port import Answer, Item
from signalpost.testing.scripted_sink import HANG, ScriptedSink
from signalpost.testing.virtual_loop import run_virtual


def item(name: str) -> Item:
    return Item(
        Notification(
            id=name,
            payload=Announcement(title=name, text="text"),
            event="new",
            priority=NotificationPriority.NORMAL,
            user_tier=UserTier.FREE,
            accepted_at=clock.now(),
            valid_until=clock.now() + timedelta(hours=1),
        )
    )


def test_it_answers_by_its_script_and_then_with_receipts() -> None:
    async def main() -> None:
        sink = ScriptedSink([Unavailable("down"), Receipt("77"), lambda: Receipt("78"), lambda: None])
        with pytest.raises(Unavailable, match="down"):
            await sink.send([item("a")])
        receipts = [await sink.send([item(name)]) for name in "bcde"]
        assert [receipt.message_id for receipt in receipts] == ["77", "78", "4", "5"]
        assert [sent.ids for sent in sink.sent] == [("a",), ("b",), ("c",), ("d",), ("e",)]
        assert [sent.ids for sent in sink.shown] == [("b",), ("c",), ("d",), ("e",)]

    run_virtual(main())


def test_probes_have_their_own_script() -> None:
    async def main() -> None:
        throttled = Throttled("slow down", retry_after=1.0, scope="host")
        sink = ScriptedSink([Unavailable("down")], probes=[throttled, Answer(channel="7")])
        with pytest.raises(Throttled):
            await sink.probe()
        assert await sink.probe() == Answer(channel="7")
        assert await sink.probe() == Answer()
        assert sink.probed == [1000.0] * 3

    run_virtual(main())


def test_an_answer_takes_its_time() -> None:
    async def main() -> None:
        for latency in (0.25, lambda: 0.25):
            sink = ScriptedSink(latency=latency)
            began = asyncio.get_running_loop().time()
            await sink.send([item("a")])
            assert asyncio.get_running_loop().time() == began + 0.25
            assert sink.sent[0].began == began

    run_virtual(main())


def test_hanging_calls_are_answered_on_release() -> None:
    async def main() -> None:
        sink = ScriptedSink([HANG, HANG], probes=[HANG])
        requests = [asyncio.create_task(sink.send([item(name)])) for name in "ab"]
        requests.append(asyncio.create_task(sink.probe()))
        await asyncio.sleep(0)
        assert (sink.hanging, len(sink.sent), len(sink.shown)) == (3, 2, 0)
        requests[1].cancel()
        await asyncio.sleep(0)
        assert sink.hanging == 2
        sink.release()
        assert [type(each).__name__ for each in await asyncio.gather(*requests, return_exceptions=True)] == [
            "Receipt",
            "CancelledError",
            "Answer",
        ]

    run_virtual(main())


def test_it_records_that_it_was_closed() -> None:
    async def main() -> None:
        sink = ScriptedSink()
        assert not sink.is_closed
        await sink.close()
        assert sink.is_closed

    run_virtual(main())

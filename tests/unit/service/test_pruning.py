import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

from signalpost.delivery.outbox.commands import Prune
from signalpost.errors import StoreFailed
from signalpost.service.delivering import _prune
from signalpost.testing.virtual_loop import run_virtual


class FullOutbox:
    """Has so many old notifications in each page, and then fails once."""

    def __init__(self, *pages: int) -> None:
        self._pages = list(pages)
        self.asked: list[tuple[float, Prune]] = []

    async def do(self, command: Any) -> Any:
        self.asked.append((asyncio.get_running_loop().time(), command))
        if not self._pages:
            raise StoreFailed("the disk is full")
        return self._pages.pop(0)

    async def close(self) -> None:
        pass


def test_old_notifications_are_forgotten_page_by_page_and_again_every_hour() -> None:
    async def scenario() -> FullOutbox:
        outbox = FullOutbox(200, 200, 3)
        pruning = asyncio.get_running_loop().create_task(_prune(outbox, timedelta(days=30)))
        await asyncio.sleep(2 * 3_600 + 1)
        pruning.cancel()
        with suppress(asyncio.CancelledError):
            await pruning
        return outbox

    outbox = run_virtual(scenario())
    began, first = outbox.asked[0]
    assert [round(at - began) for at, _ in outbox.asked] == [0, 0, 0, 3_600, 7_200]
    assert first == Prune(before=first.now - timedelta(days=30), now=first.now, limit=200)

"""Old notifications and keys are deleted in pages, every hour, once the clock may be believed."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from signalpost.delivery.outbox.commands import ForgetKeys, LoadFacts, Prune, SaveFacts
from signalpost.domain.instant import utc
from signalpost.errors import StoreFailed
from signalpost.service import retention
from signalpost.service.retention import AGREED, Agreement, Retention, from_fact, to_fact
from signalpost.testing.virtual_loop import DAWN, run_virtual

HOUR = 3_600


@pytest.fixture(autouse=True)
def _virtual_boot_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "boot_seconds", lambda: asyncio.get_running_loop().time())


class FullOutbox:
    """Has so many old notifications and keys in each page, and then fails once."""

    def __init__(self, *pages: int, keys: tuple[str, ...] = (), kept: bytes | None = None) -> None:
        self._pages = list(pages)
        self._keys = list(keys)
        self.kept = kept
        self.commands: list[tuple[float, Prune | ForgetKeys]] = []

    async def do(self, command: Any) -> Any:
        match command:
            case LoadFacts():
                return {} if self.kept is None else {AGREED: self.kept}
            case SaveFacts():
                self.kept = command.facts[AGREED]
                return None
        self.commands.append((asyncio.get_running_loop().time(), command))
        if isinstance(command, ForgetKeys):
            return self._keys.pop(0) if self._keys else ""
        if not self._pages:
            raise StoreFailed("the disk is full")
        return self._pages.pop(0)

    async def close(self) -> None:
        pass


async def none_left() -> int:
    return 0


def _run(outbox: FullOutbox, seconds: float) -> list[tuple[int, Prune | ForgetKeys]]:
    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        pruning = Retention(outbox, timedelta(days=30), none_left)
        running = loop.create_task(pruning.run())
        await asyncio.sleep(seconds)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await pruning.end()
        return began

    began = run_virtual(scenario())
    return [(round(at - began), command) for at, command in outbox.commands]


def test_rows_go_page_by_page_once_the_clocks_agreed_for_an_hour_and_again_every_hour() -> None:
    commands = _run(FullOutbox(200, 200, 3, keys=("b", "m", "")), 2 * HOUR + 1)
    assert [at for at, _ in commands] == [HOUR] * 6 + [2 * HOUR]
    first, *_, last = [command for _, command in commands if isinstance(command, Prune)]
    assert (first.limit, last.before - first.before) == (200, timedelta(hours=1))
    keys = [command for _, command in commands if isinstance(command, ForgetKeys)]
    assert [each.after for each in keys] == ["", "b", "m"]
    assert keys[0].now - first.before == timedelta(days=30)


def test_the_hour_is_added_up_over_runs() -> None:
    seconds, deleted = 0.0, []
    for _ in range(4):
        outbox = FullOutbox(0, kept=to_fact(Agreement(utc(DAWN, "at") - timedelta(hours=1), 0.0, seconds)))
        deleted.append([at for at, _ in _run(outbox, 1_201)])
        agreement = from_fact(outbox.kept)
        assert agreement is not None
        seconds = agreement.seconds  # virtual time begins anew with each run
    assert deleted == [[], [], [1_200] * 2, [0] * 2]


def test_a_clock_that_jumped_between_two_runs_deletes_nothing() -> None:
    """The virtual loop's clock begins anew at each run, as a boot clock does after a reboot."""
    wrong = utc(DAWN, "at") - timedelta(days=365)
    assert _run(FullOutbox(0, kept=to_fact(Agreement(wrong, 0.0, HOUR))), HOUR - 1) == []
    assert _run(FullOutbox(0, kept=b"of another version"), HOUR - 1) == []


def test_a_run_that_never_saw_the_store_keeps_nothing() -> None:
    outbox = FullOutbox()
    asyncio.run(Retention(outbox, timedelta(days=30), none_left).end())
    assert outbox.kept is None


def test_forgotten_trades_are_ended_page_by_page_before_anything_is_deleted() -> None:
    left = [2, 1, 0]

    async def scenario() -> None:
        loop = asyncio.get_running_loop()

        async def some() -> int:
            return left.pop(0)

        pruning = Retention(FullOutbox(0), timedelta(days=30), some)
        running = loop.create_task(pruning.run())
        await asyncio.sleep(1.2 * HOUR)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    run_virtual(scenario())
    assert left == []

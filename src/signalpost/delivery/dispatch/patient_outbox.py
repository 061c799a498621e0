"""The outbox as dispatch uses it: it says when the store falls ill, and does not give up what must be written."""

import asyncio
from collections.abc import Callable
from typing import Any

from signalpost.delivery.outbox.commands import Answer, Command
from signalpost.delivery.outbox.port import Outbox
from signalpost.delivery.pacing.backoff import Backoff
from signalpost.domain.events import Listener, StoreMoved
from signalpost.errors import StoreFailed

STORE_BACKOFF = Backoff(base=0.1, factor=2.0, ceiling=5.0)


class PatientOutbox:
    """An outbox whose health is told as events, for all lanes together.

    It is well again when whatever failed has succeeded: on a full disk, much of what only reads does so all the time.
    """

    def __init__(self, outbox: Outbox, *, jitter: Callable[[], float], emit: Listener) -> None:
        self._outbox = outbox
        self._jitter = jitter
        self._emit = emit
        self._failed: set[type[Command[Any]]] = set()

    @property
    def is_well(self) -> bool:
        """Whether the store did what it was last asked, of each kind."""
        return not self._failed

    async def do(self, command: Command[Answer]) -> Answer:
        """Carry out a command once. Raises StoreFailed and StoreClosed as the outbox does."""
        try:
            answer = await self._outbox.do(command)
        except StoreFailed as fault:
            was_well = self.is_well
            self._failed.add(type(command))
            if was_well:
                self._emit(StoreMoved(is_well=False, reason=str(fault)))
            raise
        if self._failed:
            self._failed.discard(type(command))
            if self.is_well:
                self._emit(StoreMoved(is_well=True))
        return answer

    async def insist(self, command: Command[Answer]) -> Answer:
        """Carry out a command, again and again until the store can. Raises StoreClosed."""
        failures = 0
        while True:
            try:
                return await self.do(command)
            except StoreFailed:
                failures += 1
                await asyncio.sleep(self.delay(failures))

    def delay(self, failures: int) -> float:
        """Seconds to leave a store alone that has failed so many times in a row."""
        return STORE_BACKOFF.delay(failures, 0.5 + self._jitter() / 2)

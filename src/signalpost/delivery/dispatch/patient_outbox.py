"""The outbox as dispatch uses it: it says when the store falls ill, and does not give up what must be written."""

import asyncio
from collections.abc import Callable

from signalpost.delivery.outbox.commands import Answer, Command
from signalpost.delivery.outbox.port import Outbox
from signalpost.delivery.pacing.backoff import Backoff
from signalpost.domain.events import Listener, StoreMoved
from signalpost.errors import StoreFailed

STORE_BACKOFF = Backoff(base=0.1, factor=2.0, ceiling=5.0)


class PatientOutbox:
    """An outbox whose health is told as events, for all lanes together."""

    def __init__(self, outbox: Outbox, *, jitter: Callable[[], float], emit: Listener) -> None:
        self._outbox = outbox
        self._jitter = jitter
        self._emit = emit
        self.is_well = True

    async def do(self, command: Command[Answer]) -> Answer:
        """Carry out a command once. Raises StoreFailed and StoreClosed as the outbox does."""
        try:
            answer = await self._outbox.do(command)
        except StoreFailed as fault:
            if self.is_well:
                self.is_well = False
                self._emit(StoreMoved(is_well=False, reason=str(fault)))
            raise
        if not self.is_well:
            self.is_well = True
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

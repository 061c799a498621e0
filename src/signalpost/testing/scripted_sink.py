"""A sink for tests: it answers from a script, can hang until released, and records all calls."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from signalpost import clock
from signalpost.sinks.evidence import Receipt
from signalpost.sinks.port import Answer, Item

HANG = "hang"
"""A step of a script that waits for `release` and then succeeds."""


class Sent(NamedTuple):
    """One message passed to the sink."""

    began_at: datetime
    began: float
    """Seconds of the loop's clock."""
    items: tuple[Item, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of its notifications."""
        return tuple(item.notification.id for item in self.items)


Step = Receipt | Answer | BaseException | str | Callable[[], object]
"""A receipt or answer to return, an error to raise, HANG to wait, or a function that returns one of these."""


class ScriptedSink:
    """Answers each send with the next step of its script, and with receipts after its end.

    ScriptedSink([Unavailable("down"), HANG, Throttled("slow down", retry_after=2, scope="destination")])

    Each answer takes `latency` seconds of the loop's clock; a function is called for each answer. The receipt of an
    edit has the id of the message that was edited. Probes have their own script and succeed after its end.
    """

    def __init__(
        self,
        script: Iterable[Step] = (),
        *,
        probes: Iterable[Step] = (),
        latency: float | Callable[[], float] = 0.0,
    ) -> None:
        self.sent: list[Sent] = []
        """All messages passed to `send`, in the order they began."""
        self.shown: list[Sent] = []
        """The messages answered with a receipt, in the order of the answers."""
        self.probed: list[float] = []
        """Start times of the probes, in seconds of the loop's clock."""
        self.is_closed = False
        self._script = iter(script)
        self._probes = iter(probes)
        self._latency = latency
        self._hanging: set[asyncio.Future[None]] = set()

    @property
    def hanging(self) -> int:
        """Number of hanging requests."""
        return len(self._hanging)

    async def send(self, items: Sequence[Item]) -> Receipt:
        """Run the next step of the script. Raises the step's error."""
        sent = Sent(clock.now(), asyncio.get_running_loop().time(), tuple(items))
        self.sent.append(sent)
        answer = await self._answer(next(self._script, None))
        receipt = answer if isinstance(answer, Receipt) else Receipt(_message_id(items, len(self.sent)), clock.now())
        self.shown.append(sent)
        return receipt

    async def probe(self) -> Answer:
        """Run the next step of the script for probes. Raises the step's error."""
        self.probed.append(asyncio.get_running_loop().time())
        answer = await self._answer(next(self._probes, None))
        return answer if isinstance(answer, Answer) else Answer()

    async def close(self) -> None:
        """Set `is_closed`."""
        self.is_closed = True

    def release(self) -> None:
        """Answer all hanging requests."""
        for waiting in self._hanging:
            waiting.set_result(None)

    async def _answer(self, step: object) -> object:
        if callable(step):
            step = step()
        latency = self._latency() if callable(self._latency) else self._latency
        if latency:
            await asyncio.sleep(latency)
        if step == HANG:
            await self._hang()
        if isinstance(step, BaseException):
            raise step
        return step

    async def _hang(self) -> None:
        waiting = asyncio.get_running_loop().create_future()
        self._hanging.add(waiting)
        try:
            await waiting
        finally:
            self._hanging.remove(waiting)


def _message_id(items: Sequence[Item], number: int) -> str:
    item = items[0]
    return str(number) if item.card is None or item.notification.is_companion else item.card.message_id

"""A sink for tests: it answers from a script, hangs until it is released, and records what it was asked."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from signalpost import clock
from signalpost.sinks.evidence import Receipt
from signalpost.sinks.port import Answer, Item

HANG = "hang"
"""In a script: no answer until `release`, then as if it were not there."""


class Sent(NamedTuple):
    """One message that the sink was asked to send."""

    began_at: datetime
    began: float
    """Seconds of the loop's clock."""
    items: tuple[Item, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The notifications that it shows."""
        return tuple(item.notification.id for item in self.items)


Step = Receipt | Answer | BaseException | str | Callable[[], object]
"""One answer: a receipt or an answer is returned, an error raised, HANG waits, and a function is asked for any."""


class ScriptedSink:
    """Answers each send with the next step of its script, and when that is over with receipts.

    ScriptedSink([Unavailable("down"), HANG, Throttled("slow down", retry_after=2, scope="destination")])

    Each answer takes `latency` seconds of the loop's clock (a function is asked anew each time). Probes have a script
    of their own, and are answered when that is over.
    """

    def __init__(
        self,
        script: Iterable[Step] = (),
        *,
        probes: Iterable[Step] = (),
        latency: float | Callable[[], float] = 0.0,
    ) -> None:
        self.sent: list[Sent] = []
        """What was asked to be sent, in the order in which it began."""
        self.shown: list[Sent] = []
        """What was answered with a receipt, in the order of the answers."""
        self.probed: list[float] = []
        """When each probe began, in seconds of the loop's clock."""
        self.is_closed = False
        self._script = iter(script)
        self._probes = iter(probes)
        self._latency = latency
        self._hanging: set[asyncio.Future[None]] = set()

    @property
    def hanging(self) -> int:
        """How many requests hang now."""
        return len(self._hanging)

    async def send(self, items: Sequence[Item]) -> Receipt:
        """Send as the script says. Raises what the script says."""
        sent = Sent(clock.now(), asyncio.get_running_loop().time(), tuple(items))
        self.sent.append(sent)
        answer = await self._answer(next(self._script, None))
        receipt = answer if isinstance(answer, Receipt) else Receipt(str(len(self.sent)), clock.now())
        self.shown.append(sent)
        return receipt

    async def probe(self) -> Answer:
        """Answer as the script for probes says. Raises what it says."""
        self.probed.append(asyncio.get_running_loop().time())
        answer = await self._answer(next(self._probes, None))
        return answer if isinstance(answer, Answer) else Answer()

    async def close(self) -> None:
        """Note that it was closed."""
        self.is_closed = True

    def release(self) -> None:
        """Let everything that hangs be answered."""
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

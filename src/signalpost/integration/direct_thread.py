"""Where direct sends run: on the owner's loop where a service runs, and else on one of their own."""

from concurrent.futures import wait

from signalpost.config import Config
from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.integration.direct import DirectSender
from signalpost.owner.deadline import Deadline
from signalpost.owner.loop_thread import LoopThread
from signalpost.owner.order import Order
from signalpost.owner.owner import MARGIN, Owner
from signalpost.telemetry.failures import log_failure

MOST_WAITING = 10_000


class DirectThread:
    """Sends where no service runs, in a thread that begins when this is made. Its pace is kept as long as it lives."""

    def __init__(self, config: Config) -> None:
        self._sender = DirectSender(config)
        self._thread = LoopThread("direct")

    @property
    def waiting(self) -> int:
        """How many notifications are not sent yet."""
        return len(self._thread.asked)

    def take(self, order: Order, refused: Ticket) -> None:
        """Send an order; its future is resolved sooner or later."""
        if not _too_many(self.waiting, order):
            begun = self._thread.begin(lambda: _send(self._sender, order, refused))
            begun.add_done_callback(lambda _: _settle(order, refused))

    def flush(self, timeout: float) -> int:
        """Wait until all is sent, for at most `timeout` seconds, and return how many are not."""
        return len(wait(list(self._thread.asked), timeout).not_done)

    def stop(self, timeout: float) -> int:
        """Flush, and end the thread."""
        deadline = Deadline(timeout)
        left = self.flush(timeout)
        wait([self._thread.begin(self._sender.close)], deadline.remaining + MARGIN)
        self._thread.end(deadline.remaining + MARGIN)
        return left


class DirectBesideService:
    """Sends on the loop of a running service, within the pace that the service itself keeps."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self._sender: DirectSender | None = None

    def take(self, order: Order, refused: Ticket) -> None:
        """Send an order; its future is resolved sooner or later."""
        if not _too_many(self.owner.beside, order):
            begun = self.owner.begin(lambda: self._send(order, refused))
            begun.add_done_callback(lambda _: _settle(order, refused))

    async def _send(self, order: Order, refused: Ticket) -> None:
        if self._sender is None:
            self._sender = DirectSender(self.owner.service.config, self.owner.lane)
            self.owner.at_end.append(self._sender.close)
        await _send(self._sender, order, refused)


def _too_many(waiting: int, order: Order) -> bool:
    if waiting < MOST_WAITING:
        return False
    why = f"{MOST_WAITING} notifications wait to be sent directly already: send it yourself, or later"
    order.end(Ticket(Outcome.REFUSED, "", why, Refusal.TOO_MANY))
    return True


def _settle(order: Order, refused: Ticket) -> None:
    """Answer for an order whose sending never began, because the loop had ended."""
    if not order.future.done():
        order.end(refused)


async def _send(sender: DirectSender, order: Order, refused: Ticket) -> None:
    ticket = refused
    try:
        ticket = await sender.send(order, refused)
    except Exception as fault:  # noqa: BLE001  # whatever broke: a caller elsewhere must get a ticket
        log_failure("sending directly failed", fault, with_text=False)
        ticket = refused._replace(reason=f"{refused.reason}; and sending directly failed with {type(fault).__name__}")
    finally:
        order.end(ticket)

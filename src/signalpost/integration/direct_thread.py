"""Where direct sends run: on the service's loop if one runs, or else on a loop of their own."""

from concurrent.futures import wait

from signalpost.config import Config
from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.integration.direct import DirectSender
from signalpost.integration.futures import Deadline
from signalpost.integration.loop_thread import MARGIN, LoopThread
from signalpost.integration.service_thread import ServiceThread
from signalpost.integration.submission import Submission
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
        return len(self._thread.unfinished)

    def take(self, submission: Submission, refused: Ticket) -> None:
        """Send a submission; its future is resolved sooner or later."""
        if not _too_many(self.waiting, submission):
            begun = self._thread.begin(lambda: _send(self._sender, submission, refused))
            begun.add_done_callback(lambda _: _settle(submission, refused))

    def flush(self, timeout: float) -> int:
        """Wait until all is sent, for at most `timeout` seconds, and return how many are not."""
        return len(wait(list(self._thread.unfinished), timeout).not_done)

    def stop(self, timeout: float) -> int:
        """Flush, and end the thread."""
        deadline = Deadline(timeout)
        left = self.flush(timeout)
        wait([self._thread.begin(self._sender.close)], deadline.remaining + MARGIN)
        self._thread.end(deadline.remaining + MARGIN)
        return left


class DirectBesideService:
    """Sends on the loop of a running service, within the pace that the service itself keeps."""

    def __init__(self, thread: ServiceThread) -> None:
        self.thread = thread
        self._sender: DirectSender | None = None

    def take(self, submission: Submission, refused: Ticket) -> None:
        """Send a submission; its future is resolved sooner or later."""
        if not _too_many(self.thread.beside, submission):
            begun = self.thread.begin(lambda: self._send(submission, refused))
            begun.add_done_callback(lambda _: _settle(submission, refused))

    async def _send(self, submission: Submission, refused: Ticket) -> None:
        if self._sender is None:
            self._sender = DirectSender(self.thread.service.config, self.thread.lane)
            self.thread.at_end.append(self._sender.close)
        await _send(self._sender, submission, refused)


def _too_many(waiting: int, submission: Submission) -> bool:
    if waiting < MOST_WAITING:
        return False
    why = f"{MOST_WAITING} notifications wait to be sent directly already: send it yourself, or later"
    submission.end(Ticket(Outcome.REFUSED, "", why, Refusal.TOO_MANY))
    return True


def _settle(submission: Submission, refused: Ticket) -> None:
    """Answer for a submission whose sending never began, because the loop had ended."""
    if not submission.future.done():
        submission.end(refused)


async def _send(sender: DirectSender, submission: Submission, refused: Ticket) -> None:
    ticket = refused
    try:
        ticket = await sender.send(submission, refused)
    except Exception as fault:  # noqa: BLE001  # whatever broke: a caller elsewhere must get a ticket
        log_failure("sending directly failed", fault, with_text=False)
        ticket = refused._replace(reason=f"{refused.reason}; and sending directly failed with {type(fault).__name__}")
    finally:
        submission.end(ticket)

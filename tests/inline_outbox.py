"""An outbox that carries each command out at once, on the caller's loop."""

from signalpost.delivery.outbox.commands import Answer, Command
from signalpost.delivery.outbox.port import Core
from signalpost.delivery.outbox.threaded import command_failed
from signalpost.errors import StoreClosed, StoreFailed


class InlineOutbox:
    """For memory and for simulations: nothing runs beside the caller, so each run is the same as the last.

    A core that waits for a disk makes the whole loop wait; `ThreadedOutbox` does not.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._is_closed = False

    async def do(self, command: Command[Answer]) -> Answer:
        """Carry out a command. Raises StoreFailed and CommandFailed as the core does, and StoreClosed after `close`."""
        if self._is_closed:
            raise StoreClosed("the outbox is closed: start a new one")
        try:
            answer: Answer = self._core.apply([command])[0]
        except StoreFailed:
            raise
        except Exception as fault:
            raise command_failed(command, fault) from fault
        return answer

    async def close(self) -> None:
        """Release the core; once is enough."""
        if not self._is_closed:
            self._is_closed = True
            self._core.close()

"""The durable queue, in two halves: a store's synchronous core, and the asynchronous outbox around it.

A core applies a batch of commands in one transaction: after `apply` returns, all of it is as durable as the store is.
That is the only way in, so a simulation can run the real SQLite core inline and crash between two batches.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from signalpost.delivery.outbox.commands import Answer, Command


class Core(Protocol):
    """A store, used by one thread at a time."""

    def apply(self, batch: Sequence[Command[Any]]) -> list[Any]:
        """Execute the commands as if one after the other, in one transaction, and return their answers in order.

        Raises StoreFailed if the store cannot (disk full, damaged, locked), and CommandFailed or any other exception if
        one of the commands cannot be executed. Nothing of the batch has happened then.
        """
        ...

    def close(self) -> None:
        """Release the store."""
        ...


class Outbox(Protocol):
    """The durable queue."""

    async def do(self, command: Command[Answer]) -> Answer:
        """Execute a command, and return its answer once it is committed.

        Raises StoreFailed if the store cannot, CommandFailed if it is this command that cannot be carried out, and
        StoreClosed after `close`; nothing has happened then.
        """
        ...

    async def close(self) -> None:
        """Commit the commands received before, then release the store."""
        ...

"""A file that holds each recorded message before its sender is answered, whatever happens then."""

import asyncio
import os
from pathlib import Path
from typing import Self

from signalpost.errors import InvalidConfiguration


class Journal:
    """Appends lines; those that come while the disk is busy are made durable together."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    @classmethod
    def open(cls, path: Path) -> Self:
        """The journal at `path`, to be continued. Raises InvalidConfiguration if it cannot be written."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as fault:
            raise InvalidConfiguration(
                f"the journal {path} cannot be opened ({fault.strerror}): name a file in a folder that can be written",
                code="not-writable",
                field="journal",
                value=str(path),
            ) from fault
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            os.write(descriptor, b"\n")  # a line that was cut off by a kill stays alone
        return cls(descriptor)

    async def append(self, line: bytes) -> None:
        """Return when `line` is on the disk. Raises OSError if it is not."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((line, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await done

    async def close(self) -> None:
        """Write what is waiting, and close the file."""
        if self._writer is not None:
            await self._writer
        os.close(self._descriptor)

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._write_durably, b"".join(line for line, _ in batch))
            except OSError as fault:
                for _, done in batch:
                    if not done.done():
                        done.set_exception(fault)
            else:
                for _, done in batch:
                    if not done.done():
                        done.set_result(None)

    def _write_durably(self, lines: bytes) -> None:
        view = memoryview(lines)
        while view:
            view = view[os.write(self._descriptor, view) :]
        os.fsync(self._descriptor)

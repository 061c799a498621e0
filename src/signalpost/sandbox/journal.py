"""A file of recorded messages, each on disk before its sender gets an answer."""

import asyncio
import os
from pathlib import Path
from typing import Self

from signalpost.errors import InvalidConfiguration


class Journal:
    """Appends lines durably. Lines that arrive while the disk is busy share one fsync."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the journal at `path` for appending. Raises InvalidConfiguration if it is not writable."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as fault:
            text = f"cannot open the journal {path} ({fault.strerror}). Choose a file in a writable folder"
            raise InvalidConfiguration(text, code="not-writable", field="journal", value=str(path)) from fault
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            os.write(descriptor, b"\n")  # keep new lines apart from one that a kill cut short
        return cls(descriptor)

    async def append(self, line: bytes) -> None:
        """Return once `line` is on disk. Raises OSError if it could not be written."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((line, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await done

    async def close(self) -> None:
        """Write the waiting lines and close the file."""
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

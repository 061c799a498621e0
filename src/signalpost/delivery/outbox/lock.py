"""A lock beside a file: one process at a time, let go by the kernel however the process ends."""

import fcntl
import os
from pathlib import Path

from signalpost.errors import StoreUnusable


class FileLock:
    """Holds `path`, and has the holder's process id written in it; the file stays when the lock is let go.

    A child made by `fork` holds it too, until it ends or closes its files. Raises StoreUnusable where another holds it.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as fault:
            raise StoreUnusable(
                f"{path}: the lock cannot be made ({fault.strerror}): let this process write into the folder"
            ) from fault
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            holder = os.read(self._file, 20).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            raise StoreUnusable(
                f"{path}: process {holder} uses this outbox: stop that process, or give this one a file of its own"
            ) from fault
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go; once is enough."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

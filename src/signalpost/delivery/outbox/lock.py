"""A lock beside a file: one process at a time, let go by the kernel however the process ends."""

import fcntl
import os
from pathlib import Path
from typing import Self

from signalpost.delivery.outbox.still_there import identity
from signalpost.errors import StoreUnusable


class FileLock:
    """Holds `path`, and has its holder written in it; the file stays when the lock is let go.

    The lock belongs to the open file, which a child made by `fork` shares: where the child lets go, the parent's lock
    stays. A program that is started does not get it. Raises StoreUnusable where another holds it.
    """

    def __init__(self, path: Path) -> None:
        file = _locked(path)
        if file is None:
            holder = holder_of(path).partition(" ")[0] or "unknown"
            raise StoreUnusable(
                f"{path}: process {holder} uses this outbox: stop that process, or give this one a file of its own"
            )
        self._hold(file)

    @classmethod
    def taken(cls, path: Path) -> Self | None:
        """The lock, or None where another holds it, which is found out cheaply. Raises StoreUnusable as making does."""
        file = _locked(path)
        if file is None:
            return None
        lock = cls.__new__(cls)
        lock._hold(file)
        return lock

    def _hold(self, file: int) -> None:
        self._file = file
        self.holder = f"{os.getpid()} {os.urandom(4).hex()}"
        """This holder's process id, and a word by which it is told from its process's earlier ones."""
        self.identity = identity(file)
        """Which file is locked."""
        text = f"{self.holder}\n".encode()
        os.pwrite(file, text, 0)
        os.ftruncate(file, len(text))

    def release(self) -> None:
        """Let go; once is enough."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def holder_of(path: Path) -> str:
    """What the last holder wrote; empty where there was none, or it cannot be read."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(file, 40).decode(errors="replace").strip()
    finally:
        os.close(file)


def is_held(path: Path) -> bool:
    """Whether anybody holds the lock at `path`; nobody does where there is none."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def _locked(path: Path) -> int | None:
    """The file, open and locked; None where another holds it. Raises StoreUnusable where it cannot be made."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        raise StoreUnusable(
            f"{path}: the lock cannot be made ({fault.strerror}): let this process write into the folder"
        ) from fault
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file

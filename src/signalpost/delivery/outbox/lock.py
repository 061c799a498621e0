"""The lock file next to a store: one byte for each epoch. The kernel frees it however its holder ends.

The owner of epoch N holds byte N. So a successor gets a byte of its own while a frozen owner still holds the older one,
and any process can check if the owner of an epoch is alive. The check takes no lock, which could make others fail.

These are locks of the open file (F_OFD_SETLK, fcntl(2)): a child made by `fork` shares them, and closing its copy of
the file leaves the parent's lock in place. A program that the process starts does not inherit the file.
"""

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from signalpost.delivery.outbox.files import identity, open_regular
from signalpost.errors import StoreUnusable

_FLOCK = "hhqqi4x"
"""struct flock on Linux: type, whence, start, length, process."""


class FileLock:
    """Holds byte `epoch` of the file at `path`, which stays when the lock is released. Created by `acquire`."""

    def __init__(self, path: Path, file: int, epoch: int) -> None:
        self._path = str(path)
        self._file = file
        self.epoch = epoch
        self.holder = f"{os.getpid()} {os.urandom(4).hex()}"
        """This holder's process id and a random word, because process ids are reused."""
        self._identity = identity(file)

    @property
    def is_in_place(self) -> bool:
        """False if the locked file was removed or replaced."""
        return identity(self._path) == self._identity

    @classmethod
    def acquire(cls, path: Path, epoch: int) -> Self | None:
        """Return the lock, or None if another process holds it. Raises StoreUnusable if the file cannot be created."""
        try:
            file = open_regular(path, os.O_RDWR | os.O_CREAT)
        except OSError as fault:
            advice = "give this process write access to the folder" if fault.errno else "move it away"
            raise StoreUnusable(
                f"{path}: cannot create the lock file ({fault.strerror}): {advice}",
                code="not-writable" if fault.errno else "not-a-file",
                value=str(path),
            ) from fault
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # fails if an older version runs: it locks the whole file
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, _byte(epoch))
        except OSError:
            os.close(file)
            return None
        return cls(path, file, epoch)

    def sign(self) -> None:
        """Write the holder and the epoch into the file, for people and for commands that read it."""
        text = f"{self.holder} {self.epoch}\n".encode()
        with suppress(OSError):  # the store contains it too
            os.pwrite(self._file, text, 0)
            os.ftruncate(self._file, len(text))

    def release(self) -> None:
        """Release the lock. Repeated calls are fine."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def lock_of(store: Path) -> Path:
    """The path of a store's lock file: next to the real file if `store` is a link."""
    real = Path(os.path.realpath(store))
    return real.with_name(f"{real.name}.lock")


def is_held(path: Path, epoch: int | None = None) -> bool:
    """True if a process holds the lock of this epoch, by default the one written in the file. Takes no lock."""
    with suppress(OSError), _opened(path) as file:
        wanted = _signed_epoch(file) if epoch is None else epoch
        answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, _byte(wanted))
        return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)
    return False


def is_held_by_older_version(path: Path) -> bool:
    """True if a process of a version without epochs owns the store: it locks the whole file. Does not block one."""
    with suppress(OSError), _opened(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def holder_of(path: Path) -> str:
    """The text that the last holder wrote; empty if there was none, or it cannot be read."""
    with suppress(OSError), _opened(path) as file:
        return os.read(file, 60).decode(errors="replace").strip()
    return ""


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    file = open_regular(path, os.O_RDONLY)
    try:
        yield file
    finally:
        os.close(file)


def _signed_epoch(file: int) -> int:
    _, _, epoch = os.pread(file, 60, 0).strip().rpartition(b" ")
    return int(epoch) if epoch.isdigit() else 0


def _byte(epoch: int) -> bytes:
    return struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, epoch, 1, 0)


LOCKS = Path("/proc/locks")
"""Linux lists its locks here."""

WRITE_LOCK = "120"
"""The byte of SQLite's `-shm` file that a writer locks (https://sqlite.org/walformat.html, section 2.3)."""


def writer_of(shm: Path) -> int | None:
    """The process that holds SQLite's write lock, as listed by Linux; None if there is none or it is not listed here.

    Checking by fcntl would require opening the file, and closing it again would drop this process's own locks.
    """
    with suppress(OSError):
        inode = str(shm.stat().st_ino)
        for line in LOCKS.read_text(encoding="ascii").splitlines():
            _, kind, _, mode, process, file, *held = line.split()
            if (kind, mode, file.rpartition(":")[2], *held) == ("POSIX", "WRITE", inode, WRITE_LOCK, WRITE_LOCK):
                return int(process)
    return None

"""Files beside a store: regular ones only, whether they are still in place, and on which file system they lie.

A file that was deleted or replaced still works for a process that has it open: its writes are reported as durable, and
are lost when the process ends. A look at a name costs 2 to 5 microseconds, so each batch can afford it. Files
are compared by device and inode, which stay unique while the old file is open.
"""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from signalpost.telemetry.log_queue import logger

Identity = tuple[int, int]
"""A file's device and inode."""

LOGS = ("-wal", "-shm")
"""What SQLite names the files beside an open one by: its write-ahead log, and the index of that."""

MOUNTS = Path("/proc/mounts")
"""Where Linux lists its mounts. Other systems have no such file."""

NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs"})
"""File systems whose disk is another machine's."""

_ESCAPED = re.compile(r"\\([0-7]{3})")


def open_regular(path: Path, flags: int) -> int:
    """A descriptor of the file at `path`, which a child process does not inherit; created for its owner alone.

    A pipe, a device or a socket in its place is refused and never waited for. Raises OSError; with errno 0 if `path` is
    not a regular file.
    """
    file = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)  # a plain open of a pipe waits for its other end
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(0, "it is not a regular file")  # noqa: TRY301
    except BaseException:
        os.close(file)
        raise
    return file


def read_regular(path: Path) -> bytes:
    """The whole content. Raises OSError, as `open_regular` does."""
    with os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
        return file.read()


def identity(file: str | bytes | int) -> Identity | None:
    """Which file a path leads to, or a descriptor has open; None where there is none."""
    try:
        found = os.stat(file)  # noqa: PTH116  # before each commit, so no Path is made
    except OSError:
        return None
    return found.st_dev, found.st_ino


def opened_files(path: Path, opened: Identity) -> dict[str, Identity | None]:
    """By path which files are open, where `path` was opened by SQLite and is `opened`."""
    real = os.path.realpath(path)  # beside which SQLite has its log, where `path` is a link
    here = str(path.absolute())  # a program may go to another folder
    return {here: opened} | {f"{real}{end}": identity(f"{real}{end}") for end in LOGS}


def gone(files: Mapping[str, Identity | None]) -> str | None:
    """The first path that leads to another file, or to none; None where all is as it was."""
    for path, opened in files.items():
        if identity(path) != opened:
            return path
    return None


def warn_of_network(path: Path, mounts: Path = MOUNTS) -> None:
    """Warn through the logger `signalpost` if `path` lies on a network's file system: its syncs and locks are weak."""
    try:
        listed = mounts.read_bytes().decode(errors="surrogateescape")
        kind = file_system(path.resolve(), listed)
    except OSError:  # this is only a warning: it must never stop a start
        return
    if kind in NETWORK:
        logger.warning(
            "%s lies on a network file system (%s), where SQLite's locks and syncs may not hold: use a local disk",
            path,
            kind,
        )


def file_system(path: Path, mounts: str) -> str:
    """The kind of the file system that holds `path`, by the lines of /proc/mounts; empty where none does."""
    deepest, kind = -1, ""
    # Linux writes spaces, tabs, line feeds and backslashes of a mount point in octal, and everything else as it is.
    # So only "\n" ends a line: `splitlines` would also split at the other control characters.
    for line in mounts.split("\n"):
        _, point, found, *_ = (*line.split(" "), "", "", "")
        if not point:
            continue
        folder = Path(_ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), point))
        if path.is_relative_to(folder) and len(folder.parts) >= deepest:
            deepest, kind = len(folder.parts), found
    return kind

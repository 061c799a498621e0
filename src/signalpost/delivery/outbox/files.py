"""Opens the files of a store, checks that they are still in place, and finds their file system.

A file that was deleted or replaced still works for a process that has it open: its writes are reported as durable, and
are lost when the process ends. Checking a path takes 2 to 5 microseconds, so every batch checks its files. Files are
compared by device and inode, which stay unique while the old file is open.
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
"""The suffixes of the files that SQLite adds to an open one: its write-ahead log, and the index of that log."""

MOUNTS = Path("/proc/mounts")
"""Linux lists its mounts here. Other systems do not have this file."""

NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs"})
"""File systems whose disk is on another machine."""

_ESCAPED = re.compile(r"\\([0-7]{3})")


def open_regular(path: Path, flags: int) -> int:
    """Open the file at `path`, and create it, for its owner only, if the flags say so. Children do not inherit it.

    Never blocks on a pipe, a device or a socket. Raises OSError; with errno 0 if `path` is not a regular file.
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
    """Read the whole file. Raises OSError, as `open_regular` does."""
    with os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
        return file.read()


def identity(file: str | bytes | int) -> Identity | None:
    """The device and inode of a path or a descriptor; None if there is no file."""
    try:
        found = os.stat(file)  # noqa: PTH116  # before each commit, so no Path is made
    except OSError:
        return None
    return found.st_dev, found.st_ino


def opened_files(path: Path, opened: Identity) -> dict[str, Identity | None]:
    """The identity of each open file by path. SQLite has opened `path`, whose identity is `opened`."""
    real = os.path.realpath(path)  # SQLite keeps its log next to the real file, even if `path` is a link
    here = str(path.absolute())  # the program may change its working directory
    return {here: opened} | {f"{real}{end}": identity(f"{real}{end}") for end in LOGS}


def gone(files: Mapping[str, Identity | None]) -> str | None:
    """The first path whose file is missing or was replaced; None if all are in place."""
    for path, opened in files.items():
        if identity(path) != opened:
            return path
    return None


def remove_copy(partial: Path) -> None:
    """Remove a copy, and the files that SQLite left next to it, which take space on a disk that may be full."""
    for end in ("", "-journal", *LOGS):
        partial.with_name(f"{partial.name}{end}").unlink(missing_ok=True)


def warn_of_network(path: Path) -> None:
    """Warn through the logger `signalpost` if `path` is on a network file system. Syncs may not work there."""
    try:
        listed = MOUNTS.read_bytes().decode(errors="surrogateescape")
        kind = file_system(path.resolve(), listed)
    except OSError:  # this is only a warning: it must never stop a start
        return
    if kind in NETWORK:
        logger.warning(
            "%s is on a network file system (%s). SQLite's locks and syncs may not work there: use a local disk",
            path,
            kind,
        )


def file_system(path: Path, mounts: str) -> str:
    """The kind of the file system that holds `path`, from the lines of /proc/mounts; empty if unknown."""
    inside, deepest, kind = _as_folder(str(path)), 0, ""
    # Linux writes spaces, tabs, line feeds and backslashes of a mount point in octal, and everything else as it is.
    # So only "\n" ends a line: `splitlines` would also split at the other control characters.
    for line in mounts.split("\n"):
        _, point, found, *_ = (*line.split(" "), "", "", "")
        if not point:
            continue
        folder = _as_folder(_ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), point))
        if inside.startswith(folder) and len(folder) >= deepest:
            deepest, kind = len(folder), found
    return kind


def _as_folder(path: str) -> str:
    """The path with one slash at its end, so that it begins every path in it and no other."""
    return f"{path.rstrip('/')}/"

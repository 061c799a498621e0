"""Which file system a path lies on, and a warning where that is a network's: its promises to sync and lock are weak."""

import re
from pathlib import Path

from signalpost.telemetry.log_queue import logger

MOUNTS = Path("/proc/mounts")
"""Where Linux lists what is mounted; other systems have none, and are not asked."""

NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs"})
"""File systems whose disk is another machine's."""

_ESCAPED = re.compile(r"\\([0-7]{3})")


def warn_of_network(path: Path, mounts: Path = MOUNTS) -> None:
    """Warn through the logger `signalpost` where `path` lies on a network's file system."""
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

"""Whether the files that were opened are still those that their names lead to.

A file that is deleted or replaced goes on working for who has it open: what is written into it is answered as durable,
and is gone with the process. A look at a name costs 2 to 5 microseconds, so each batch can afford it. The files are
told apart by device and inode, which no other gets while the old one is open.
"""

import os
from collections.abc import Mapping
from pathlib import Path

Identity = tuple[int, int]
"""A file's device and inode."""

LOGS = ("-wal", "-shm")
"""What SQLite names the files beside an open one by: its write-ahead log, and the index of that."""


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

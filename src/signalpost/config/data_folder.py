"""Whether a data folder can be used, found out without leaving anything behind."""

from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple


class DataFolder(NamedTuple):
    """How a data folder is."""

    is_usable: bool
    state: str
    """In words."""


def look_at(home: Path, store_file: str) -> DataFolder:
    """Whether a service could start with this data folder; it is not made."""
    try:
        return _looked_at(home, store_file)
    except OSError as fault:
        return DataFolder(False, f"it cannot be looked at ({fault.strerror}): set SIGNALPOST_HOME to another place")


def _looked_at(home: Path, store_file: str) -> DataFolder:
    there = next((folder for folder in (home, *home.parents) if folder.is_symlink() or folder.exists()), Path())
    if not there.is_dir():
        return DataFolder(False, f"{there} is not a folder: remove it, or set SIGNALPOST_HOME to another place")
    if problem := _problem_of_writing(there):
        return DataFolder(False, f"{there} cannot be written to ({problem}): allow it, or set SIGNALPOST_HOME")
    if there != home:
        return DataFolder(True, "it does not exist, and is made at the first start")
    is_used = (home / store_file).exists()
    return DataFolder(True, "it exists, with a store" if is_used else "it exists, without a store")


def _problem_of_writing(folder: Path) -> str | None:
    try:
        with TemporaryFile(dir=folder):  # asked of the system: permission bits alone do not tell
            return None
    except OSError as fault:
        return fault.strerror or type(fault).__name__

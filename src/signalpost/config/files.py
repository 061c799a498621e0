"""Reads small files without waiting for them, and checks who can read and write them."""

import os
import select
import stat
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

from signalpost.config.parsers import shown_path
from signalpost.errors import InvalidConfiguration
from signalpost.secret import Secret

_PIPE_WITHIN = 1_000
"""How many milliseconds the writer of a pipe may take, such as the shell's `<(command)`."""
_LONGEST_SECRET = 4096
"""Bytes; no webhook URL is as long."""
_HAS_MODES = os.name == "posix"
"""Whether files have modes, which limit who can read and write them."""
_MOUNTED = (Path("/run/secrets"), Path("/var/run/secrets"))
"""Where containers find their secrets. Everyone in a container can read them, and the container is one service."""


class DataFolder(NamedTuple):
    """Whether a data folder can be used."""

    is_usable: bool
    state: str
    """For a person."""


def read_small(path: Path, most: int) -> bytes:
    """The content of `path`, at most `most + 1` bytes.

    Raises OSError for a pipe to which nothing is written in time, and for a device, a socket or a folder.
    """
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a plain open waits for a pipe's writer
    try:
        mode = os.fstat(file).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise OSError(0, "it is not a file")
        data = b""
        while len(data) <= most and (part := _next_part(file, most + 1 - len(data), is_pipe=stat.S_ISFIFO(mode))):
            data += part
        return data
    finally:
        os.close(file)


def _next_part(file: int, most: int, *, is_pipe: bool) -> bytes:
    if is_pipe:
        ready = select.poll()
        ready.register(file, select.POLLIN)
        if not ready.poll(_PIPE_WITHIN):
            raise OSError(0, "it is a pipe, and nothing was written to it in time")
    return os.read(file, most)


def read_secret(path: Path, content: str) -> Secret:
    """The text of the file without surrounding blanks; `content` describes it.

    Raises InvalidConfiguration, which never shows the text.
    """
    named = shown_path(str(path))
    try:
        data = read_small(path, _LONGEST_SECRET)
        if len(data) > _LONGEST_SECRET:
            problem = f"{named} is too long: it must contain only {content}"
        elif secret := Secret(data.decode("utf-8-sig").strip()):
            return secret
        else:
            problem = f"{named} is empty: write {content} into it"
    except OSError as fault:
        problem = f"{named} cannot be read ({fault.strerror})"
    except ValueError:  # not UTF-8, or a path with a null character
        problem = f"{named} is not text: write {content} into it"
    # Raised outside `except`, because an error that quotes the file must not be the context of this one.
    raise InvalidConfiguration(problem, code="not-readable")


def is_open_to_others(path: Path) -> bool:
    """Whether every user of this machine can read the file."""
    if not _HAS_MODES or any(folder in path.parents for folder in _MOUNTED):
        return False
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def reason_to_distrust(*states: os.stat_result) -> str | None:
    """Why a file is not trusted, and the fix; None if only this user and root can write to it.

    `states` are those of the file and of the link to it.
    """
    if not _HAS_MODES:
        return None
    own = os.geteuid()
    for state in states:
        if state.st_uid not in {own, 0}:
            return f"it belongs to another user (uid {state.st_uid}), who could change it: run chown {own} on it"
    modes = [state for state in states if not stat.S_ISLNK(state.st_mode)]  # the mode of a link has no effect
    if any(state.st_mode & stat.S_IWOTH for state in modes):
        return "every user can write to it: run chmod go-w on it"
    if any(state.st_mode & stat.S_IWGRP and not _has_private_group(state) for state in modes):
        return "its group can write to it: run chmod g-w on it"
    return None


def _has_private_group(state: os.stat_result) -> bool:
    """Whether only the owner is in the file's group: many systems create a group for each user."""
    import grp
    import pwd

    try:
        group, owner = grp.getgrgid(state.st_gid), pwd.getpwuid(state.st_uid)
    except KeyError:  # the user of a container may have no name
        return state.st_gid == state.st_uid
    return group.gr_name == owner.pw_name and set(group.gr_mem) <= {owner.pw_name}


def mode_of(path: Path, *, follow_symlinks: bool = True) -> int:
    """The mode of a file or folder; 0 if there is none.

    Raises OSError if that cannot be known. `Path.exists` and `Path.is_file` answer False then, since Python 3.14.
    """
    try:
        return path.stat(follow_symlinks=follow_symlinks).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def check_data_folder(home: Path, store_file: str) -> DataFolder:
    """Whether a service could start with this data folder. Nothing is created."""
    try:
        return _checked(home, store_file)
    except OSError as fault:
        return DataFolder(False, f"it cannot be read ({fault.strerror}): set SIGNALPOST_HOME to another folder")


def _checked(home: Path, store_file: str) -> DataFolder:
    there = next((folder for folder in (home, *home.parents) if mode_of(folder, follow_symlinks=False)), Path())
    if not stat.S_ISDIR(mode_of(there)):
        return DataFolder(False, f"{there} is not a folder: remove it, or set SIGNALPOST_HOME to another folder")
    try:
        with TemporaryFile(dir=there):  # to root, the permission bits say that every folder is writable
            pass
    except OSError as fault:
        problem = fault.strerror or type(fault).__name__
        advice = "change its permissions, or set SIGNALPOST_HOME to another folder"
        return DataFolder(False, f"{there} is not writable ({problem}): {advice}")
    if there != home:
        return DataFolder(True, "will be created at the first start")
    is_used = mode_of(home / store_file) != 0
    return DataFolder(True, "it exists, with a store" if is_used else "it exists, without a store")

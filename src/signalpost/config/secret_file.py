"""A webhook in a file of its own, the way containers pass secrets, and who may read that file."""

import os
import stat
from pathlib import Path

from signalpost.config.small_file import read_small
from signalpost.config.spelling import shown_path
from signalpost.errors import InvalidConfiguration
from signalpost.secret import Secret

_LONGEST = 4096
"""Bytes; no webhook's URL is as long."""
_MODES_TELL = os.name == "posix"
"""Whether the mode of a file says who may read it."""
_MOUNTED = (Path("/run/secrets"), Path("/var/run/secrets"))
"""Where containers find secrets. They are readable by all there, and all is one service."""


def read_secret(path: Path) -> Secret:
    """The text of the file without the blanks around it. Raises InvalidConfiguration, which never shows it."""
    named = shown_path(str(path))
    problem = None
    try:
        data = read_small(path, _LONGEST)
        if len(data) > _LONGEST:
            problem = f"{named} is too long for a webhook's URL: write that alone into it"
        elif secret := Secret(data.decode("utf-8-sig").strip()):
            return secret
        else:
            problem = f"{named} is empty: write the webhook's URL into it"
    except OSError as fault:
        problem = f"{named} cannot be read ({fault.strerror})"
    except ValueError:  # bytes that are no UTF-8, or a path that can be none
        problem = f"{named} is not text: write the webhook's URL into it"
    raise InvalidConfiguration(
        problem, code="not-readable"
    )  # out here, so that no error that quotes the file is its context


def is_open_to_others(path: Path) -> bool:
    """Whether every user of this machine may read the file."""
    if not _MODES_TELL or any(folder in path.parents for folder in _MOUNTED):
        return False
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False

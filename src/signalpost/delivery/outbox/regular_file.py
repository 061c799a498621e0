"""Opens files that must be regular: a pipe, a device or a socket in their place is refused, and never waited for."""

import os
import stat
from pathlib import Path


def open_regular(path: Path, flags: int) -> int:
    """A descriptor of the file at `path`, which a child process does not inherit; created for its owner alone.

    Raises OSError; with errno 0 if `path` is not a regular file.
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

"""Reads a file of settings or a secret, without ever waiting for it."""

import os
import select
import stat
from pathlib import Path

_PIPE_WITHIN = 1_000
"""Milliseconds for whoever writes to a pipe, such as the shell's `<(command)`, to write."""


def read_small(path: Path, most: int) -> bytes:
    """The content of `path`, at most `most + 1` bytes of it.

    Raises OSError for a pipe to which nobody writes in time, and for a device, a socket or a folder.
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
            raise OSError(0, "it is a pipe, and nothing was written to it")
    return os.read(file, most)

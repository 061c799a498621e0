"""Makes standard input, output and error safe to use, even if the caller closed them or nobody reads them."""

import io
import os
import select
import sys
from functools import partial
from pathlib import Path
from typing import TextIO

from signalpost.telemetry.log_queue import logger


def prepare_streams() -> None:
    """Open closed streams on /dev/null, and escape characters that the encoding lacks.

    Otherwise the first socket would get the number of a closed stream, and uvloop then aborts the process.
    `sys.__stdout__` stays None if standard output was closed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    sys.stdin = sys.stdin or Path(os.devnull).open()  # noqa: SIM115  # open until the process ends
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # pragma: no branch  # for the type checker: all real streams are
            stream.reconfigure(errors="backslashreplace")


def discard_output() -> None:
    """Discard further output after standard output failed: Python would try to flush it once more at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def never_block_on_output() -> None:
    """Write standard output and error in the log's thread from now on, for a command that must not block.

    A pipe that nobody reads or a paused terminal would block its event loop. Lines that cannot be written are dropped
    and counted. See docs/why/0029-logging-never-blocks.md.
    """
    sys.stdout, sys.stderr = _Queued(sys.stdout), _Queued(sys.stderr)


class _Queued(io.TextIOBase):
    """A stream that writes through the log's queue, after earlier log lines."""

    def __init__(self, stream: TextIO) -> None:
        stream.flush()
        self._stream = stream  # referenced, because its finalizer would close the file
        self._number = stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # io declares an attribute
        """The stream's encoding."""
        return self._stream.encoding

    def fileno(self) -> int:
        """The stream's descriptor."""
        return self._number

    def isatty(self) -> bool:
        """True for a terminal."""
        return self._stream.isatty()

    def writable(self) -> bool:
        """Always true."""
        return True

    def write(self, text: str) -> int:
        """Queue `text`. The log's own thread writes at once, which may raise OSError."""
        data = text.encode(self.encoding, errors="backslashreplace")
        if logger.is_own_thread():
            self._write_all(data)
        elif data:
            logger.put(partial(self._write_all, data))
        return len(text)

    def _write_all(self, data: bytes) -> None:
        """Write without Python's buffers: a thread that hangs in one keeps its lock and blocks the exit."""
        while data:
            try:
                data = data[os.write(self._number, data) :]
            except BlockingIOError:  # another process made the shared pipe non-blocking
                select.select([], [self._number], [])

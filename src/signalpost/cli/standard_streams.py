"""Standard input, output and error, of which a caller may have closed one, or given one that cannot say everything."""

import io
import os
import select
import sys
from functools import partial
from pathlib import Path
from typing import TextIO

from signalpost.telemetry.log_queue import logger


def mend() -> None:
    """Open what is closed on /dev/null, and write what the encoding of a terminal or pipe lacks by its number.

    Otherwise the first socket would get the number of a closed stream, and uvloop aborts the process for that.
    `sys.__stdout__` stays None where nobody can read what is printed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free, which is this one
    sys.stdin = sys.stdin or Path(os.devnull).open()  # noqa: SIM115  # as long as the process lives
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # pragma: no branch  # for the type: whatever takes bytes is one
            stream.reconfigure(errors="backslashreplace")


def discard_output() -> None:
    """Write no more to standard output, which cannot be written: Python would try once more at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def never_block_on_output() -> None:
    """From now on write standard output and error in the log's thread, for a command that must go on meanwhile.

    A pipe that nobody reads, or a terminal that is paused, would stop its loop. What cannot be written is dropped and
    counted. See docs/why/0029-logging-never-blocks.md.
    """
    sys.stdout, sys.stderr = _Queued(sys.stdout), _Queued(sys.stderr)


class _Queued(io.TextIOBase):
    """A stream whose lines are put on the log's queue, behind those that were logged before."""

    def __init__(self, stream: TextIO) -> None:
        stream.flush()
        self._stream = stream  # kept, because it would close the file
        self._number = stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # io declares an attribute
        """That of the stream."""
        return self._stream.encoding

    def fileno(self) -> int:
        """That of the stream."""
        return self._number

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return self._stream.isatty()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Have it written; what the log's own thread writes is written at once, and may raise OSError."""
        data = text.encode(self.encoding, errors="backslashreplace")
        if logger.is_own_thread():
            self._write_all(data)
        elif data:
            logger.put(partial(self._write_all, data))
        return len(text)

    def _write_all(self, data: bytes) -> None:
        """Without Python's buffers: a thread that hangs in one holds its lock, and the interpreter could not end."""
        while data:
            try:
                data = data[os.write(self._number, data) :]
            except BlockingIOError:  # somebody who shares the pipe has set it so
                select.select([], [self._number], [])

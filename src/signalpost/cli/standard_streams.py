"""Standard input, output and error, of which a caller may have closed one, or given one that cannot say everything."""

import io
import os
import sys
from pathlib import Path


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

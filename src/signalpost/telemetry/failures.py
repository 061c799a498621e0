"""Logs an exception that nobody expected: its kind, its text and where it came from, with secrets masked."""

import logging

from signalpost.secret import described
from signalpost.telemetry.log_queue import logger


def log_failure(what: str, fault: BaseException, *, level: int = logging.ERROR, with_text: bool = True) -> None:
    """Log one line that says `what` failed, and why: the exception, its frames and its causes.

    Leave the text of the exception out if it comes from code that is not ours: it may quote a secret of that code.
    """
    logger.log(level, "%s: %s", what, described(fault, with_text=with_text))

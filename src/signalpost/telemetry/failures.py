"""Logs an unexpected exception: type, text and frames, with secrets masked."""

import logging

from signalpost.secret import described
from signalpost.telemetry.log_queue import logger


def log_failure(task: str, fault: BaseException, *, level: int = logging.ERROR, with_text: bool = True) -> None:
    """Log one line with `task`, the exception, its frames and its causes.

    Pass `with_text=False` for exceptions of other people's code: their text may quote a secret.
    """
    logger.log(level, "%s: %s", task, described(fault, with_text=with_text))

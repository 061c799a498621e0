"""For tests that look at what signalpost logged: its lines are written by a thread, a moment later."""

from signalpost.telemetry.log_queue import logger


def flush_log(timeout: float = 10.0) -> None:
    """Wait until all that was logged so far has reached its handlers, such as pytest's `caplog`.

    Raises AssertionError after `timeout` seconds: a handler blocks.
    """
    if not logger.flush(timeout):
        raise AssertionError(f"the log was not written within {timeout} seconds: a handler blocks")

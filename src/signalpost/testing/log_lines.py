"""For tests that check log lines, which a thread writes a moment later."""

from signalpost.telemetry.log_queue import logger


def flush_log(timeout: float = 10.0) -> None:
    """Wait until all lines logged so far have reached their handlers, such as pytest's `caplog`.

    Raises AssertionError if they are not written within `timeout` seconds.
    """
    if not logger.flush(timeout):
        raise AssertionError(f"the log was not written within {timeout} seconds because a handler blocks")

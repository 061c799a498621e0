import logging
import threading
from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from signalpost import AlertLogHandler, HealthStatus, InvalidValue, NotificationIntegration, Outcome, Refusal, Ticket
from signalpost.integration import integration as integration_module
from signalpost.integration import service_thread, submission
from signalpost.integration.process_end import ProcessEnd
from signalpost.integration.submission import NOT_RUNNING, STOPPED, Refusals
from tests.unit.integration.conftest import ConfigFor
from tests.unit.service.conftest import codes, signal

REFUSALS = ("a notification was refused: %s", "%d notifications were refused, the last one because: %s")


class Heard(logging.Handler):
    """The lines about refusals, to be waited for."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: SimpleQueue[logging.LogRecord] = SimpleQueue()
        self._of_others = {each.ident for each in threading.enumerate() if each.name == "signalpost refusals"}
        """Threads of earlier tests, which may log the rest of their refusals now."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg in REFUSALS and record.thread not in self._of_others:
            self.records.put(record)

    def next(self) -> tuple[str, str | None]:
        record = self.records.get(timeout=10)
        return record.getMessage(), record.threadName


@pytest.fixture
def heard() -> Iterator[Heard]:
    handler, logger = Heard(), logging.getLogger("signalpost")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.fixture
def next_line(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleQueue[None]]:
    """Refusals are logged once more for each item put in here, instead of each second.

    Threads of earlier tests go on as before: one that took an item would leave the test waiting.
    """
    may_go_on: SimpleQueue[None] = SimpleQueue()
    of_others, pause = set(threading.enumerate()), submission.pause
    monkeypatch.setattr(
        submission, "pause", lambda: pause() if threading.current_thread() in of_others else may_go_on.get()
    )
    yield may_go_on
    may_go_on.put(None)


def test_the_first_refusal_is_logged_at_once_and_more_are_counted(heard: Heard, next_line: SimpleQueue[None]) -> None:
    integration = NotificationIntegration()
    integration.send_signal(signal())
    line, thread = heard.next()
    assert NOT_RUNNING in line
    assert thread == "signalpost refusals"
    for _ in range(1_000):
        integration.send_signal(signal())
    assert integration.get_metrics()["tickets_refused"] == 1_001
    assert heard.records.empty()
    next_line.put(None)
    line, _ = heard.next()
    assert "1000" in line.split()
    assert NOT_RUNNING in line


def test_refusals_after_a_stop_are_logged_and_still_counted_after_the_next_start(
    heard: Heard, next_line: SimpleQueue[None], config_for: ConfigFor
) -> None:
    integration = NotificationIntegration(config_for())
    integration.start()
    integration.stop()
    integration.send_signal(signal())
    assert STOPPED in heard.next()[0]
    integration.start()
    assert integration.get_metrics()["tickets_refused"] == 1
    integration.stop()


def test_a_full_queue_is_logged_counted_and_shown_in_health(
    heard: Heard, next_line: SimpleQueue[None], config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in (service_thread, submission):
        monkeypatch.setattr(each, "MOST_WAITING", 0)
    integration = NotificationIntegration(config_for())
    integration.start()
    ticket = integration.send_signal(signal()).result(0)
    assert ticket.cause is Refusal.TOO_MANY
    assert str(ticket.reason) in heard.next()[0]
    assert integration.get_metrics()["tickets_refused"] == 1
    status, reasons = integration.health()
    assert (status, codes(reasons)) == (HealthStatus.DEGRADED, ["queue-full"])
    integration.stop()


def test_a_refusal_by_the_service_is_counted_once(config_for: ConfigFor) -> None:
    integration = NotificationIntegration(config_for("signals-free"))
    integration.start()
    assert integration.send_signal(signal(), user_tier="premium").result(10).cause is Refusal.NO_DESTINATION
    assert integration.get_metrics()["tickets_refused"] == 1
    integration.stop()


def test_a_notification_of_the_fallback_or_a_direct_send_is_not_counted_as_refused(config_for: ConfigFor) -> None:
    integration = NotificationIntegration(config_for("signals-free"), fallback=lambda _: None)
    assert integration.send_signal(signal()).result(0).outcome is Outcome.DIRECT
    assert integration.send_signal_to_discord(signal()).result(10).outcome is Outcome.DIRECT
    assert integration.get_metrics()["tickets_refused"] == 0
    integration.stop()


def test_a_log_handler_does_not_alert_about_its_own_refusals(heard: Heard, next_line: SimpleQueue[None]) -> None:
    integration = NotificationIntegration()
    handler = AlertLogHandler(integration)
    logging.getLogger().addHandler(handler)
    logging.getLogger("strategy").error("Order refused")
    assert NOT_RUNNING in heard.next()[0]
    next_line.put(None)
    logging.getLogger().removeHandler(handler)
    assert integration.get_metrics()["tickets_refused"] == 1


def test_refusals_are_logged_at_the_end_if_no_thread_can_start(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", fails)
    monkeypatch.setattr(submission, "this_process", ProcessEnd())
    refusals = Refusals()
    refusals.add(Ticket(Outcome.REFUSED, "", NOT_RUNNING, Refusal.NOT_RUNNING))
    assert (refusals.count, heard.records.empty()) == (1, True)
    refusals.log()
    refusals.log()
    assert NOT_RUNNING in heard.next()[0]
    assert heard.records.empty()


def test_a_signal_handler_that_sends_while_a_thread_starts_neither_waits_nor_starts_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A signal may interrupt `Thread.start`."""
    begun: list[str] = []
    integration = NotificationIntegration(fallback=lambda _: None)

    def interrupted(thread: threading.Thread) -> None:
        begun.append(thread.name)
        assert integration.send_signal(signal()).result(0).outcome is Outcome.DIRECT

    monkeypatch.setattr(integration_module, "this_process", ProcessEnd())
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    assert integration.send_signal(signal()).result(0).outcome is Outcome.DIRECT
    assert begun == ["signalpost ending", "signalpost fallback"]


@pytest.mark.parametrize(("field", "value"), [("signal_id", "#1042"), ("status", "CLOSED")])
def test_a_signal_that_cannot_be_new_is_an_error_of_the_caller(
    running: NotificationIntegration, field: str, value: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        running.send_signal(signal(**{field: value}))
    assert refused.value.field == field

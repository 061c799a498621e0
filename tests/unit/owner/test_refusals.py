import logging
import threading
from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from signalpost import AlertLogHandler, HealthStatus, NotificationIntegration, Outcome, Refusal, Ticket
from signalpost.integration import integration as easy_layer
from signalpost.owner import handover as room_of_handover
from signalpost.owner import owner as room_of_owner
from signalpost.owner import refusals as room
from signalpost.owner.ending import Ending
from signalpost.owner.refusals import Refusals
from tests.unit.integration.conftest import ConfigFor
from tests.unit.service.conftest import signal

WHY = "the service does not run: call on_strategy_start() first"


class Heard(logging.Handler):
    """The lines about refusals, to be waited for."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: SimpleQueue[logging.LogRecord] = SimpleQueue()

    def emit(self, record: logging.LogRecord) -> None:
        if record.module == "refusals":
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
    """A refusal is told once more for each thing put in here, instead of each second."""
    may_go_on: SimpleQueue[None] = SimpleQueue()
    monkeypatch.setattr(room, "_pause", may_go_on.get)
    yield may_go_on
    may_go_on.put(None)


def test_the_first_refusal_is_told_at_once_and_a_storm_is_counted(heard: Heard, next_line: SimpleQueue[None]) -> None:
    integration = NotificationIntegration()
    integration.send_signal(signal())
    assert heard.next() == (f"a notification was refused: {WHY}", "signalpost refusals")
    for _ in range(1_000):
        integration.send_signal(signal())
    assert integration.get_metrics()["tickets_refused"] == 1_001
    assert heard.records.empty()
    next_line.put(None)
    assert heard.next()[0] == f"1000 notifications were refused, the last one because: {WHY}"


def test_refusals_after_a_stop_are_told_and_counted_also_after_the_next_start(
    heard: Heard, next_line: SimpleQueue[None], config_for: ConfigFor
) -> None:
    integration = NotificationIntegration(config_for())
    integration.start()
    integration.stop()
    integration.send_signal(signal())
    assert heard.next()[0] == (
        "a notification was refused: the service was stopped: call on_strategy_start() to start it again"
    )
    integration.start()
    assert integration.get_metrics()["tickets_refused"] == 1
    integration.stop()


def test_too_many_are_told_counted_and_seen_in_health(
    heard: Heard, next_line: SimpleQueue[None], config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in (room_of_owner, room_of_handover):
        monkeypatch.setattr(each, "MOST_WAITING", 0)
    integration = NotificationIntegration(config_for())
    integration.start()
    assert integration.send_signal(signal()).result(0).cause is Refusal.TOO_MANY
    assert heard.next()[0].startswith("a notification was refused: 0 notifications wait to be taken in already")
    assert integration.get_metrics()["tickets_refused"] == 1
    assert integration.health() == (
        HealthStatus.DEGRADED,
        ("0 notifications wait to be taken in: more are refused",),
    )
    integration.stop()


def test_what_a_service_refused_and_counted_is_not_counted_twice(config_for: ConfigFor) -> None:
    integration = NotificationIntegration(config_for("signals-free"))
    integration.start()
    assert integration.send_signal(signal(), user_tier="premium").result(10).cause is Refusal.NO_DESTINATION
    assert integration.get_metrics()["tickets_refused"] == 1
    integration.stop()


def test_what_a_fallback_or_a_direct_send_answers_for_is_not_refused(config_for: ConfigFor) -> None:
    integration = NotificationIntegration(config_for("signals-free"), fallback=lambda _: None)
    assert integration.send_signal(signal()).result(0).outcome is Outcome.DIRECT
    assert integration.send_signal_to_discord(signal()).result(10).outcome is Outcome.DIRECT
    assert integration.get_metrics()["tickets_refused"] == 0
    integration.stop()


def test_a_log_handler_whose_alerts_are_refused_does_not_feed_itself(
    heard: Heard, next_line: SimpleQueue[None]
) -> None:
    integration = NotificationIntegration()
    handler = AlertLogHandler(integration)
    logging.getLogger().addHandler(handler)
    logging.getLogger("strategy").error("Order refused")
    assert heard.next()[0] == f"a notification was refused: {WHY}"
    next_line.put(None)
    logging.getLogger().removeHandler(handler)
    assert integration.get_metrics()["tickets_refused"] == 1


def test_where_no_thread_can_begin_it_is_counted_and_told_at_the_end(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", fails)
    monkeypatch.setattr(room, "of_this_process", Ending())
    refusals = Refusals()
    refusals.add(Ticket(Outcome.REFUSED, "", WHY, Refusal.NOT_RUNNING))
    assert (refusals.count, heard.records.empty()) == (1, True)
    refusals.tell()
    refusals.tell()
    assert heard.next()[0] == f"a notification was refused: {WHY}"
    assert heard.records.empty()


def test_a_handler_that_hands_over_while_a_thread_begins_waits_for_nothing_and_begins_no_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A signal may come in the midst of `Thread.start`: what the handler hands over is taken then."""
    begun: list[str] = []
    integration = NotificationIntegration(fallback=lambda _: None)

    def interrupted(thread: threading.Thread) -> None:
        begun.append(thread.name)
        assert integration.send_signal(signal()).result(0).outcome is Outcome.DIRECT

    monkeypatch.setattr(easy_layer, "of_this_process", Ending())
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    assert integration.send_signal(signal()).result(0).outcome is Outcome.DIRECT
    assert begun == ["signalpost ending", "signalpost fallback"]

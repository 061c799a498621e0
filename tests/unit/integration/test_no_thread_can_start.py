"""A machine that cannot start a thread for a while, because its limit of processes is reached."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from signalpost import NotificationIntegration, Outcome, Refusal
from signalpost.integration import fallback, lifecycle, loop_thread, process_end, submission
from signalpost.integration import integration as integration_module
from signalpost.integration.loop_thread import LazyThread
from signalpost.integration.process_end import ProcessEnd
from signalpost.integration.submission import NOT_RUNNING, Refusals
from tests.unit.integration.conftest import ConfigFor, Started
from tests.unit.service.conftest import signal

NO_THREAD = "can't start new thread"


class Starting:
    """Starts threads once `is_possible` is set."""

    is_possible = False
    is_possible_at_the_end = False
    """For the thread that waits for the end of the process."""

    def thread(self, **arguments: Any) -> threading.Thread:
        thread = threading.Thread(**arguments)
        if not self.is_possible:
            thread.start = self._fail  # type: ignore[method-assign]
        return thread

    def guard(self, run: Callable[[], None]) -> threading.Thread:
        return threading.Thread(target=int) if self.is_possible_at_the_end else self.thread(target=int)

    def _fail(self) -> None:
        raise RuntimeError(NO_THREAD)


@pytest.fixture
def starting(monkeypatch: pytest.MonkeyPatch) -> Starting:
    made, ending = Starting(), ProcessEnd()
    monkeypatch.setattr(process_end, "Guard", made.guard)
    for module in (fallback, loop_thread, submission):
        monkeypatch.setattr(module, "Thread", made.thread)
    for module in (integration_module, lifecycle, submission):
        monkeypatch.setattr(module, "this_process", ending)
    return made


def test_one_thread_is_started_and_a_failure_is_retried_by_the_next_call(starting: Starting) -> None:
    ran = threading.Semaphore(0)
    once = LazyThread(lambda: starting.thread(target=ran.release))
    with pytest.raises(RuntimeError) as raised:
        once.start()
    assert raised.value.args == (NO_THREAD,)
    assert not once.has_started
    starting.is_possible = True
    once.start()
    once.start()
    assert once.has_started
    assert ran.acquire(timeout=10)
    assert not ran.acquire(blocking=False)


def test_a_fallback_without_a_thread_refuses_and_accepts_the_next(starting: Starting) -> None:
    got: list[str] = []
    integration = NotificationIntegration(fallback=lambda payload: got.append(payload.signal_id))
    ticket = integration.send_signal(signal(signal_id="1")).result(0)
    assert ticket.outcome is Outcome.REFUSED
    assert (ticket.reason or "").startswith(NOT_RUNNING)
    assert ticket.reason != NOT_RUNNING, "it also names the missing thread"
    assert integration.get_metrics()["fallback_waiting"] == 0
    starting.is_possible = True
    assert integration.send_signal(signal(signal_id="2")).result(0).outcome is Outcome.DIRECT
    assert integration.flush(10) == 0
    assert got == ["2"]


def test_a_start_without_a_thread_raises_and_the_next_one_starts(config_for: ConfigFor, starting: Starting) -> None:
    integration = NotificationIntegration(config_for())
    with pytest.raises(RuntimeError) as raised:
        integration.start()
    assert raised.value.args == (NO_THREAD,)
    starting.is_possible = True
    integration.start()
    assert integration.send_signal(signal()).result(10).outcome is Outcome.ACCEPTED
    integration.stop()


def test_a_direct_send_without_a_thread_is_refused_and_the_next_one_is_sent(
    config_for: ConfigFor, starting: Starting
) -> None:
    integration = NotificationIntegration(config_for())
    for _ in range(2):
        ticket = integration.send_signal_to_discord(signal()).result(0)
        assert (ticket.outcome, ticket.cause) == (Outcome.REFUSED, Refusal.NOT_RUNNING)
        assert NO_THREAD in (ticket.reason or "")
        starting.is_possible_at_the_end = True
    starting.is_possible = True
    assert integration.send_signal_to_discord(signal()).result(10).outcome is Outcome.DIRECT
    integration.stop()


def test_a_child_without_a_thread_refuses_and_the_next_signal_starts_a_service(
    config_for: ConfigFor, services: list[Started], starting: Starting
) -> None:
    integration = NotificationIntegration(config_for())
    starting.is_possible = True
    integration.start()
    integration.forget_parent()
    starting.is_possible = False
    assert integration.send_signal(signal()).result(0).cause is Refusal.NOT_RUNNING
    starting.is_possible = True
    assert integration.send_signal(signal()).result(10).outcome is Outcome.ACCEPTED
    integration.stop()
    services[0].stop()


def test_refusals_are_logged_by_the_thread_that_the_next_one_starts(
    starting: Starting, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_logged = threading.Event()
    monkeypatch.setattr(submission, "pause", is_logged.set)
    refusals, integration = Refusals(), NotificationIntegration()
    ticket = integration.send_signal(signal()).result(0)
    refusals.add(ticket)
    assert caplog.messages == []
    starting.is_possible = True
    refusals.add(ticket)
    assert is_logged.wait(10)
    (line,) = caplog.messages
    assert "2" in line.split()
    assert str(ticket.reason) in line

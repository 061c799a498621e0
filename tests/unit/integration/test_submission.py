import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from signalpost import (
    Alert,
    AsyncNotificationService,
    Config,
    Context,
    NotificationIntegration,
    NotificationPriority,
    Outcome,
    Refusal,
    SignalNotificationService,
    StoreFailed,
    Ticket,
    UserTier,
    cancel_signal,
    cancel_signal_async,
    close_signal,
    close_signal_async,
    correct_signal,
    correct_signal_async,
    fill_signal,
    fill_signal_async,
    reopen_signal,
    reopen_signal_async,
    update_signal,
    update_signal_async,
)
from signalpost.delivery.outbox.book import Amend
from signalpost.delivery.outbox.commands import Command
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.events import Event, Taken
from signalpost.integration.service_thread import ServiceThread
from signalpost.integration.submission import MOST_WAITING, Submission, SubmissionQueue
from tests.unit.integration.conftest import ConfigFor
from tests.unit.service.conftest import signal


def submission(title: str = "t") -> Submission:
    return Submission(Alert(alert_type="feed", severity="high", title=title))


class ResponsiveLoop:
    """Counts how often it is woken, and runs the callbacks on demand."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[], None]] = []
        self.is_closed = False

    def call_soon_threadsafe(self, callback: Callable[[], None]) -> None:
        if self.is_closed:
            raise RuntimeError("Event loop is closed")
        self.callbacks.append(callback)


def queue_on(loop: ResponsiveLoop) -> SubmissionQueue:
    service = AsyncNotificationService(Config(home=Path("/nowhere")))  # it is never started
    return SubmissionQueue(service, loop)  # type: ignore[arg-type]


def test_a_full_queue_refuses_at_once() -> None:
    queue = queue_on(ResponsiveLoop())
    submissions = [submission() for _ in range(MOST_WAITING)]
    for each in submissions:
        queue.put(each)
    assert queue.waiting == MOST_WAITING
    one_more = submission()
    queue.put(one_more)
    ticket = one_more.future.result(0)
    assert (ticket.outcome, ticket.cause) == (Outcome.REFUSED, Refusal.TOO_MANY)
    assert not any(each.future.done() for each in submissions)
    queue.close("the end")
    assert {each.future.result(0) for each in submissions} == {
        Ticket(Outcome.REFUSED, "", "the end", Refusal.NOT_RUNNING)
    }


def test_the_loop_is_woken_once_for_several_submissions() -> None:
    loop = ResponsiveLoop()
    queue = queue_on(loop)
    for _ in range(3):
        queue.put(submission())
    assert len(loop.callbacks) == 1
    loop.callbacks.pop()()
    queue.put(submission())
    assert len(loop.callbacks) == 1


def test_a_submission_after_the_end_is_refused_with_the_first_reason() -> None:
    loop = ResponsiveLoop()
    queue = queue_on(loop)
    queue.close("it was stopped")
    queue.close("its thread has ended")
    loop.is_closed = True
    late = submission()
    queue.put(late)
    assert late.future.result(0) == Ticket(Outcome.REFUSED, "", "it was stopped", Refusal.NOT_RUNNING)


def test_submissions_of_each_thread_are_accepted_in_order(config_for: ConfigFor) -> None:
    heard: list[Event] = []
    service = ServiceThread(AsyncNotificationService(config_for(), listeners=[heard.append]))
    submissions = [[submission(f"{thread} {number}") for number in range(100)] for thread in range(4)]

    def submit(part: list[Submission]) -> None:
        for each in part:
            service.queue.put(each)

    threads = [Thread(target=submit, args=(part,)) for part in submissions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert service.flush(30) == 0
    assert {each.future.result(0).outcome for part in submissions for each in part} == {Outcome.ACCEPTED}
    accepted = [event.notification.payload for event in heard if isinstance(event, Taken)]
    for part in submissions:
        sent = [each.payload for each in part]
        assert [payload for payload in accepted if payload in sent] == sent
    service.stop(0)


def test_a_submission_keeps_a_copy_of_the_facts_it_was_given() -> None:
    facts: dict[str, object] = {"feed": "tiny.csv"}
    made = Submission(Alert(alert_type="feed", severity="high", title="t"), "low", "VIP", facts)
    facts.clear()
    sent = made.notification
    assert (sent.priority, sent.user_tier) == (NotificationPriority.LOW, UserTier("vip"))
    assert sent.context == Context({"feed": "tiny.csv"})


class BrokenService(AsyncNotificationService):
    """Fails, or never answers."""

    async def queue_notification(self, signal_or_alert: Any, *_: Any, **__: Any) -> Ticket:
        if signal_or_alert.title == "hang":
            await asyncio.Event().wait()
        raise LookupError("https://discord.com/api/webhooks/1/token")


def test_an_error_of_the_service_is_logged_without_its_text_and_refuses_the_ticket(
    config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    thread = ServiceThread(BrokenService(config_for()))
    broken, hanging = submission(), submission("hang")
    thread.queue.put(broken)
    thread.queue.put(hanging)
    ticket = broken.future.result(10)
    assert ticket.cause is Refusal.STORE
    assert "LookupError" in (ticket.reason or "")
    assert "LookupError" in caplog.text
    assert "webhooks" not in caplog.text
    assert thread.flush(0.05) == 1, "what has no ticket is open"
    thread.stop(0.1)
    assert hanging.future.result(10).cause is Refusal.NOT_RUNNING


def test_a_change_is_accepted_after_the_signal_that_it_changes(running: NotificationIntegration) -> None:
    one = signal(stop_loss="1.1600")
    tickets = [
        running.send_signal(one),
        running.update_signal(one, note="1"),
        running.update_signal(one.signal_id, note="2"),
        running.close_signal(one, price="1.17"),
    ]
    assert [future.result(10).version for future in tickets] == [1, 2, 3, 4]


def test_a_change_is_refused_without_a_service_and_counted(config_for: ConfigFor) -> None:
    called: list[object] = []
    integration = NotificationIntegration(config_for(), fallback=called.append)
    ticket = integration.fill_signal("1", price=1).result(0)
    assert ticket.cause is Refusal.NOT_RUNNING
    assert integration.get_metrics()["tickets_refused"] == 1
    assert called == []  # it has no payload for a sender


async def test_the_twins_of_the_verbs_wait_for_the_ticket(running: NotificationIntegration) -> None:
    notifications = SignalNotificationService(running)
    first, second = (signal(order="limit", stop_loss="1.1600", signal_id=name) for name in "12")
    for each in (first, second):
        assert (await notifications.signal_generated(each)).outcome is Outcome.ACCEPTED
    assert (await running.correct_signal_async(first, stop_loss="1.1590")).version == 2
    assert (await running.fill_signal_async(first, price="1.1634")).version == 3
    assert (await running.update_signal_async(first, stop_loss="be")).version == 4
    assert (await running.close_signal_async(first, reason="stop")).version == 5
    assert (await running.reopen_signal_async(first)).version == 6
    assert (await running.cancel_signal_async(second)).version == 2
    assert (await running.cancel_signal_async("3")).cause is Refusal.UNKNOWN_SIGNAL


async def test_the_functions_change_signals_of_the_process_wide_integration() -> None:
    """It does not run here."""
    futures = [
        update_signal("1", note="n"),
        fill_signal("1", price=1),
        close_signal("1", price=1),
        cancel_signal("1"),
        correct_signal("1", stop_loss=1),
        reopen_signal("1"),
    ]
    twins = [
        await update_signal_async("1", note="n"),
        await fill_signal_async("1", price=1),
        await close_signal_async("1", price=1),
        await cancel_signal_async("1"),
        await correct_signal_async("1", stop_loss=1),
        await reopen_signal_async("1"),
    ]
    assert {ticket.cause for ticket in twins + [each.result(0) for each in futures]} == {Refusal.NOT_RUNNING}


def test_a_change_is_held_even_with_a_fallback(config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[object] = []
    running = NotificationIntegration(config_for(), fallback=called.append)
    running.start()
    one = signal(stop_loss="1.1600")
    assert running.send_signal(one).result(10).outcome is Outcome.ACCEPTED
    with monkeypatch.context() as full:
        apply = SqliteCore.apply

        def fails(core: SqliteCore, batch: Sequence[Command[Any]]) -> list[Any]:
            if any(isinstance(command, Amend) for command in batch):
                raise StoreFailed("outbox.db: database or disk is full")
            return apply(core, batch)

        full.setattr(SqliteCore, "apply", fails)
        held = running.close_signal(one, price="1.17").result(10)
    assert (held.outcome, called) == (Outcome.HELD, [])
    assert running.flush(30) == 0
    assert running.close_signal(one, price="1.17").result(10).outcome is Outcome.DUPLICATE
    running.stop()

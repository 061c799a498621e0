import asyncio
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from signalpost import Alert, AsyncNotificationService, Config, Outcome, Refusal, Ticket
from signalpost.domain.events import Event, Taken
from signalpost.integration.service_thread import ServiceThread
from signalpost.integration.submission import MOST_WAITING, Submission, SubmissionQueue
from tests.unit.integration.conftest import ConfigFor


def order(title: str = "t") -> Submission:
    return Submission.checked(Alert, Alert(alert_type="feed", severity="high", title=title), None, None, None)


class ResponsiveLoop:
    """Counts how often it is woken, and runs the callbacks on demand."""

    def __init__(self) -> None:
        self.asked: list[Callable[[], None]] = []
        self.is_closed = False

    def call_soon_threadsafe(self, callback: Callable[[], None]) -> None:
        if self.is_closed:
            raise RuntimeError("Event loop is closed")
        self.asked.append(callback)


def handover(loop: ResponsiveLoop) -> SubmissionQueue:
    service = AsyncNotificationService(Config(home=Path("/nowhere")))  # it is never started
    return SubmissionQueue(service, loop)  # type: ignore[arg-type]


def test_a_full_queue_refuses_at_once() -> None:
    waiting = handover(ResponsiveLoop())
    orders = [order() for _ in range(MOST_WAITING)]
    for each in orders:
        waiting.put(each)
    assert waiting.waiting == MOST_WAITING
    one_more = order()
    waiting.put(one_more)
    ticket = one_more.future.result(0)
    assert (ticket.outcome, ticket.cause) == (Outcome.REFUSED, Refusal.TOO_MANY)
    assert not any(each.future.done() for each in orders)
    waiting.close("the end")
    assert {each.future.result(0) for each in orders} == {Ticket(Outcome.REFUSED, "", "the end", Refusal.NOT_RUNNING)}


def test_the_loop_is_woken_once_for_several_submissions() -> None:
    loop = ResponsiveLoop()
    waiting = handover(loop)
    for _ in range(3):
        waiting.put(order())
    assert len(loop.asked) == 1
    loop.asked.pop()()
    waiting.put(order())
    assert len(loop.asked) == 1


def test_a_submission_after_the_end_is_refused_with_the_first_reason() -> None:
    loop = ResponsiveLoop()
    waiting = handover(loop)
    waiting.close("it was stopped")
    waiting.close("its thread has ended")
    loop.is_closed = True
    late = order()
    waiting.put(late)
    assert late.future.result(0) == Ticket(Outcome.REFUSED, "", "it was stopped", Refusal.NOT_RUNNING)


def test_submissions_of_each_thread_are_accepted_in_order(config_for: ConfigFor) -> None:
    heard: list[Event] = []
    owner = ServiceThread(AsyncNotificationService(config_for(), listeners=[heard.append]))
    orders = [[order(f"{thread} {number}") for number in range(100)] for thread in range(4)]

    def hand_over(part: list[Submission]) -> None:
        for each in part:
            owner.put(each)

    threads = [Thread(target=hand_over, args=(part,)) for part in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert owner.flush(30) == 0
    assert {each.future.result(0).outcome for part in orders for each in part} == {Outcome.ACCEPTED}
    titles = [event.notification.payload.title for event in heard if isinstance(event, Taken)]  # type: ignore[union-attr]
    for thread, part in enumerate(orders):
        assert [title for title in titles if title.startswith(f"{thread} ")] == [each.payload.title for each in part]  # type: ignore[union-attr]
    owner.stop(0)


class BrokenService(AsyncNotificationService):
    """Raises, or waits for ever."""

    async def queue_notification(self, signal_or_alert: Any, *_: Any, **__: Any) -> Ticket:
        if signal_or_alert.title == "hang":
            await asyncio.Event().wait()
        raise LookupError("https://discord.com/api/webhooks/1/token")


def test_an_error_of_the_service_is_logged_without_its_text_and_refuses_the_ticket(
    config_for: ConfigFor, caplog: pytest.LogCaptureFixture
) -> None:
    owner = ServiceThread(BrokenService(config_for()))
    broken, hanging = order(), order("hang")
    owner.put(broken)
    owner.put(hanging)
    ticket = broken.future.result(10)
    assert ticket.cause is Refusal.STORE
    assert "LookupError" in (ticket.reason or "")
    assert "LookupError" in caplog.text
    assert "webhooks" not in caplog.text
    assert owner.flush(0.05) == 1, "what has no ticket is open"
    owner.stop(0.1)
    assert hanging.future.result(10).cause is Refusal.NOT_RUNNING

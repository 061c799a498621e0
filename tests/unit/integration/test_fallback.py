import asyncio
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from signalpost import (
    Alert,
    Context,
    InvalidConfiguration,
    NotificationIntegration,
    NotificationPriority,
    Outcome,
    Refusal,
    Signal,
    UserTier,
    configure,
)
from signalpost.integration import fallback as room
from signalpost.owner.order import Order
from signalpost.sandbox.server import Sandbox
from signalpost.testing.manual_clock import ManualClock
from tests.unit.integration.conftest import ConfigFor
from tests.unit.service.conftest import shown, signal


def test_what_is_refused_goes_to_the_fallback_at_once_and_in_order() -> None:
    got: list[Any] = []
    may_go_on = threading.Event()

    def sender(payload: Signal) -> None:
        may_go_on.wait()
        got.append((payload.signal_id, threading.current_thread().name))

    integration = NotificationIntegration(fallback=sender)
    ticket = integration.send_signal(signal(signal_id="0")).result(0)
    assert (ticket.outcome, ticket.cause, bool(ticket)) == (Outcome.DIRECT, None, True)
    assert ticket.reason == "handed to the fallback: the service does not run: call on_strategy_start() first"
    for number in range(1, 20):
        integration.send_signal(signal(signal_id=str(number)))
    assert integration.flush(0) == 20
    assert integration.get_metrics()["fallback_waiting"] == 20
    may_go_on.set()
    assert integration.flush(10) == 0
    assert got == [(str(number), "signalpost fallback") for number in range(20)]
    metrics = integration.get_metrics()
    assert [metrics[f"fallback_{name}"] for name in ("called", "failed", "waiting")] == [20, 0, 0]
    integration.stop()


def test_what_is_stale_is_not_sent_by_the_fallback_nor_what_became_so_while_it_waited() -> None:
    with ManualClock(datetime(2026, 1, 5, 16, tzinfo=UTC)) as manual:
        got: list[str] = []
        begun, may_go_on = threading.Event(), threading.Event()

        def sender(payload: Signal) -> None:
            begun.set()
            may_go_on.wait()
            got.append(payload.signal_id)

        integration = NotificationIntegration(fallback=sender)
        stale = integration.send_signal(signal(timestamp="2026-01-05T04:00:00Z")).result(0)
        assert stale.outcome is Outcome.SUPPRESSED
        assert stale.reason == "stale: it was worth sending until 2026-01-05T12:00:00Z"
        integration.send_signal(signal(signal_id="in time"))
        begun.wait()
        assert integration.send_signal(signal(signal_id="late")).result(0).outcome is Outcome.DIRECT
        manual.advance(timedelta(hours=5))
        may_go_on.set()
        assert integration.flush(10) == 0
        assert got == ["in time"]
        metrics = integration.get_metrics()
        assert [metrics[f"fallback_{name}"] for name in ("called", "failed", "waiting")] == [1, 1, 0]
        integration.stop()


def test_what_the_service_takes_does_not_go_there_nor_what_contradicts_it(
    sandbox: Sandbox, config_for: ConfigFor
) -> None:
    got: list[object] = []
    integration = NotificationIntegration(config_for("signals-free"), fallback=got.append)
    integration.start()
    first = integration.send_signal(signal(signal_id="one"))
    again = integration.send_signal(signal(signal_id="one", entry_price="1.2"))
    assert first.result(10).outcome is Outcome.ACCEPTED
    assert (again.result(10).outcome, again.result().cause) == (Outcome.REFUSED, Refusal.CONFLICT)
    elsewhere = integration.send_signal(signal(), user_tier="premium").result(10)
    assert (elsewhere.outcome, elsewhere.reason) == (
        Outcome.DIRECT,
        "handed to the fallback: no webhook for signals-premium: set one",
    )
    assert integration.stop() == 0
    assert len(got) == 1
    assert shown(sandbox, "signals-free") == ["BUY EUR_USD H4"]


def test_while_the_store_is_unwell_it_is_sent_by_the_fallback_and_held_nowhere(config_for: ConfigFor) -> None:
    got: list[object] = []
    integration = NotificationIntegration(config_for(), fallback=got.append)
    integration.start()
    service = integration._owner.service  # type: ignore[union-attr]
    disk = service._running.outbox._core._db  # type: ignore[union-attr, attr-defined]

    async def fill_the_disk() -> None:
        (pages,) = disk.execute("PRAGMA page_count").fetchone()
        disk.execute(f"PRAGMA max_page_count={pages}")

    integration._owner._thread.begin(fill_the_disk).result(10)  # type: ignore[union-attr]
    ticket = integration.send_signal(signal(), additional_context={"much": "x" * 9_000}).result(10)
    assert ticket.outcome is Outcome.DIRECT
    assert (ticket.reason or "").startswith("handed to the fallback: the store is unavailable: ")
    integration.stop()
    assert len(got) == 1
    assert integration.get_metrics()["notifications_held"] == 0


GOT: list[tuple[object, ...]] = []


def named(payload: object, priority: object, user_tier: object, additional_context: object) -> None:
    GOT.append((payload, priority, user_tier, additional_context))


def keywords(payload: object, **facts: object) -> None:
    GOT.append((payload, facts["priority"], facts["user_tier"], facts["additional_context"]))


def by_place(payload: object, urgency: object, audience: object, facts: object) -> None:
    GOT.append((payload, urgency, audience, facts))


def with_options(
    payload: object, user_tier: object, retries: int = 3, *, priority: object = None, additional_context: object = None
) -> None:
    assert retries == 3
    GOT.append((payload, priority, user_tier, additional_context))


def by_place_with_our_names(
    payload: object, priority: object = 0, user_tier: object = 0, additional_context: object = 0, /
) -> None:
    GOT.append((payload, priority, user_tier, additional_context))


async def coroutine(payload: object, priority: object, user_tier: object, additional_context: object) -> None:
    GOT.append((payload, priority, user_tier, additional_context))


@pytest.mark.parametrize("sender", [named, keywords, by_place, with_options, by_place_with_our_names, coroutine])
def test_a_fallback_that_can_take_them_is_told_priority_tier_and_context(sender: Callable[..., Any]) -> None:
    GOT.clear()
    one = signal(confidence_score=0.95)
    integration = NotificationIntegration(fallback=sender)
    integration.send_signal(one, user_tier="premium", additional_context={"a": 1})
    assert integration.flush() == 0
    assert [(one, NotificationPriority.URGENT, UserTier.PREMIUM, Context({"a": 1}))] == GOT
    integration.stop()


def options_of_its_own(payload: object, retries: int = 3, channel: str = "free", silent: bool = False) -> None:
    GOT.append((payload, retries, channel, silent))


def rest_of_its_own(payload: object, *rest: object) -> None:
    GOT.append((payload, 3, "free", bool(rest)))


def anything(*rest: object) -> None:
    GOT.append((*rest, 3, "free", False))


@pytest.mark.parametrize("sender", [options_of_its_own, rest_of_its_own, anything])
def test_a_fallbacks_own_options_keep_their_defaults(sender: Callable[..., Any]) -> None:
    GOT.clear()
    one = signal()
    integration = NotificationIntegration(fallback=sender)
    integration.send_signal(one, user_tier="premium")
    assert integration.flush() == 0
    assert [(one, 3, "free", False)] == GOT
    integration.stop()


def test_a_fallback_is_told_what_it_names_and_nothing_else() -> None:
    got: list[object] = []

    def sender(payload: object, user_tier: object, channel: str = "free") -> None:
        got.append((payload, user_tier, channel))

    one = signal()
    integration = NotificationIntegration(fallback=sender)
    integration.send_signal(one, user_tier="premium")
    assert integration.flush() == 0
    assert got == [(one, UserTier.PREMIUM, "free")]
    integration.stop()


def test_a_coroutine_function_runs_on_a_loop_in_the_fallbacks_thread() -> None:
    got: list[str] = []

    async def sender(payload: Alert) -> None:
        name = await asyncio.to_thread(lambda: threading.current_thread().name)
        got.append(f"{payload.title} in {threading.current_thread().name}, a call in {name}")

    integration = NotificationIntegration(fallback=sender)
    integration.send_alert(Alert(alert_type="feed", severity="high", title="t"))
    assert integration.flush() == 0
    assert got == ["t in signalpost fallback, a call in signalpost call"]
    integration.stop()


def fails(_: object) -> None:
    raise LookupError("https://discord.com/api/webhooks/1/token")


def exits(_: object) -> None:
    raise SystemExit(1)


async def fails_later(_: object) -> None:
    raise LookupError("https://discord.com/api/webhooks/1/token")


def says_no(_: object) -> bool:
    return False


@pytest.mark.parametrize(
    ("sender", "told"),
    [(fails, "LookupError"), (exits, "SystemExit"), (fails_later, "LookupError"), (says_no, "it returned False")],
)
def test_a_fallback_that_fails_is_counted_and_logged_without_its_text_and_the_next_one_is_called(
    sender: Callable[..., Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    integration = NotificationIntegration(fallback=sender)
    for _ in range(2):
        assert integration.send_signal(signal()).result(0).outcome is Outcome.DIRECT
    assert integration.flush() == 0
    metrics = integration.get_metrics()
    assert (metrics["fallback_called"], metrics["fallback_failed"]) == (2, 2)
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert [error.partition(": ")[2].partition(" [")[0] for error in errors] == [told] * 2
    assert "webhooks" not in caplog.text
    integration.stop()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda: None, "takes ()"),
        (lambda one, two: None, "takes (one, two)"),
        ("a name", "is a str: give a function"),
        (dict, "the fallback dict does not say what it takes: give a function that can be called with"),
    ],
)
def test_a_fallback_that_cannot_be_called_is_refused_before_the_start(wrong: Any, why: str) -> None:
    with pytest.raises(InvalidConfiguration) as refusal:
        configure(fallback=wrong)
    assert why in str(refusal.value)


def test_so_many_may_wait_for_the_fallback_and_the_next_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST_WAITING", 2)
    may_go_on = threading.Event()
    integration = NotificationIntegration(fallback=lambda _: may_go_on.wait())
    tickets = [integration.send_signal(signal()).result(0) for _ in range(5)]
    assert {ticket.outcome for ticket in tickets[:2]} == {Outcome.DIRECT}
    assert (tickets[4].outcome, tickets[4].cause) == (Outcome.REFUSED, Refusal.NOT_RUNNING)
    assert (tickets[4].reason or "").endswith("and 2 notifications wait for the fallback")
    may_go_on.set()
    assert integration.flush() == 0
    integration.stop()


def test_a_fallback_that_was_taken_away_meanwhile_is_not_called() -> None:
    integration = NotificationIntegration(fallback=lambda _: None)
    order = Order.checked(Signal, signal(), None, None, None, integration._fall_back)
    integration.configure()
    integration._put(order)
    assert order.future.result(0).outcome is Outcome.REFUSED

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
from signalpost.integration import fallback
from signalpost.integration.lifecycle import Lifecycle
from signalpost.integration.submission import NOT_RUNNING
from signalpost.sandbox.server import Sandbox
from signalpost.testing.manual_clock import ManualClock
from tests.unit.integration.conftest import ConfigFor
from tests.unit.service.conftest import shown, signal


def test_refused_signals_go_to_the_fallback_at_once_and_in_order() -> None:
    got: list[Any] = []
    may_go_on = threading.Event()

    def sender(payload: Signal) -> None:
        may_go_on.wait()
        got.append((payload.signal_id, threading.current_thread().name))

    integration = NotificationIntegration(fallback=sender)
    ticket = integration.send_signal(signal(signal_id="0")).result(0)
    assert (ticket.outcome, ticket.cause, bool(ticket)) == (Outcome.DIRECT, None, True)
    assert NOT_RUNNING in (ticket.reason or "")
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


def test_the_fallback_gets_no_stale_signal() -> None:
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
        assert "2026-01-05T12:00:00Z" in (stale.reason or "")
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


def test_accepted_signals_and_conflicts_do_not_go_to_the_fallback(sandbox: Sandbox, config_for: ConfigFor) -> None:
    got: list[object] = []
    integration = NotificationIntegration(config_for("signals-free"), fallback=got.append)
    integration.start()
    first = integration.send_signal(signal(signal_id="one"))
    again = integration.send_signal(signal(signal_id="one", entry_price="1.2"))
    assert first.result(10).outcome is Outcome.ACCEPTED
    assert (again.result(10).outcome, again.result().cause) == (Outcome.REFUSED, Refusal.CONFLICT)
    elsewhere = integration.send_signal(signal(), user_tier="premium").result(10)
    assert elsewhere.outcome is Outcome.DIRECT
    assert "signals-premium" in (elsewhere.reason or "")
    assert integration.stop() == 0
    assert len(got) == 1
    assert shown(sandbox, "signals-free") == ["BUY EURUSD"]


def test_while_the_store_fails_signals_go_to_the_fallback_and_are_not_held(
    config_for: ConfigFor, full_disk: None
) -> None:
    got: list[object] = []
    integration = NotificationIntegration(config_for(), fallback=got.append)
    integration.start()
    ticket = integration.send_signal(signal()).result(10)
    assert ticket.outcome is Outcome.DIRECT
    assert "outbox.db" in (ticket.reason or "")
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
def test_a_fallback_with_the_parameters_gets_priority_tier_and_context(sender: Callable[..., Any]) -> None:
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
def test_other_parameters_of_a_fallback_keep_their_defaults(sender: Callable[..., Any]) -> None:
    GOT.clear()
    one = signal()
    integration = NotificationIntegration(fallback=sender)
    integration.send_signal(one, user_tier="premium")
    assert integration.flush() == 0
    assert [(one, 3, "free", False)] == GOT
    integration.stop()


def test_a_fallback_gets_only_the_facts_it_names() -> None:
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
    ("sender", "fact"),
    [(fails, "LookupError"), (exits, "SystemExit"), (fails_later, "LookupError"), (says_no, "False")],
)
def test_a_failing_fallback_is_counted_and_logged_without_its_text_and_called_again(
    sender: Callable[..., Any], fact: str, caplog: pytest.LogCaptureFixture
) -> None:
    integration = NotificationIntegration(fallback=sender)
    for _ in range(2):
        assert integration.send_signal(signal()).result(0).outcome is Outcome.DIRECT
    assert integration.flush() == 0
    metrics = integration.get_metrics()
    assert (metrics["fallback_called"], metrics["fallback_failed"]) == (2, 2)
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert [fact in error for error in errors] == [True] * 2
    assert "webhooks" not in caplog.text
    integration.stop()


@pytest.mark.parametrize(
    ("wrong", "code", "value"),
    [
        (lambda: None, "wrong-signature", "()"),
        (lambda one, two: None, "wrong-signature", "(one, two)"),
        ("a name", "wrong-kind", "str"),
        (dict, "wrong-signature", None),
    ],
)
def test_a_fallback_that_cannot_be_called_is_rejected_before_the_start(
    wrong: Any, code: str, value: str | None
) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        configure(fallback=wrong)
    (fault,) = refused.value.errors
    assert (fault.code, fault.field, fault.value) == (code, "fallback", value)


def test_a_full_queue_of_the_fallback_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback, "MOST_WAITING", 2)
    may_go_on = threading.Event()
    integration = NotificationIntegration(fallback=lambda _: may_go_on.wait())
    tickets = [integration.send_signal(signal()).result(0) for _ in range(5)]
    assert {ticket.outcome for ticket in tickets[:2]} == {Outcome.DIRECT}
    assert (tickets[4].outcome, tickets[4].cause) == (Outcome.REFUSED, Refusal.NOT_RUNNING)
    assert "2" in (tickets[4].reason or "").split()
    may_go_on.set()
    assert integration.flush() == 0
    integration.stop()


def test_a_fallback_removed_meanwhile_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    integration = NotificationIntegration(fallback=lambda _: None)
    monkeypatch.setattr(Lifecycle, "start_as_parent", lambda _: integration.configure())
    assert integration.send_signal(signal()).result(0).outcome is Outcome.REFUSED

import asyncio
import threading
from collections.abc import Callable, Iterator
from inspect import iscoroutinefunction, signature
from pathlib import Path
from typing import Any

import pytest

import signalpost
from signalpost import (
    Alert,
    Announcement,
    AsyncNotificationService,
    Config,
    HealthStatus,
    InvalidConfiguration,
    InvalidValue,
    NotificationIntegration,
    Outcome,
    Refusal,
    Role,
    StoreUnusable,
    configure,
    flush,
    send_alert,
    send_alert_async,
    send_signal,
    send_signal_async,
)
from signalpost.domain.events import Event, Taken
from signalpost.integration.process_end import this_process
from signalpost.integration.submission import NOT_RUNNING, STOPPED
from signalpost.sandbox.rules.faults import Fault, usual_answer
from signalpost.sandbox.server import Sandbox
from signalpost.service.pending_tickets import MAX_OPEN_SHOWN
from tests.unit.integration.conftest import ConfigFor, Started
from tests.unit.service.conftest import codes, shown, signal


def alert(title: str = "No candles", severity: str = "high") -> Alert:
    return Alert(alert_type="feed", severity=severity, title=title)


def test_notifications_are_accepted_delivered_and_counted(sandbox: Sandbox, running: NotificationIntegration) -> None:
    tickets = [running.send_signal(signal(), None, "premium"), running.send_alert(alert())]
    assert [future.result(10).outcome for future in tickets] == [Outcome.ACCEPTED, Outcome.ACCEPTED]
    assert running.flush() == 0
    assert shown(sandbox, "signals-premium") == ["BUY EURUSD"]
    assert shown(sandbox, "alerts-critical") == ["HIGH · No candles"]
    metrics = running.get_metrics()
    assert (metrics["notifications_sent"], metrics["hand_overs_waiting"], metrics["fallback_called"]) == (2, 0, 0)
    assert running.health() == (HealthStatus.HEALTHY, ())
    assert running.is_healthy()


async def test_the_default_priority_depends_on_confidence_and_severity(config_for: ConfigFor) -> None:
    heard: list[Event] = []
    running = NotificationIntegration(config_for(), listeners=[heard.append])
    running.start()
    given = [
        running.send_signal(signal(confidence_score=confidence, signal_id=str(confidence)))
        for confidence in (0.95, 0.9, 0.8, None)
    ]
    given += [running.send_alert(alert(severity=severity)) for severity in ("critical", "high", "low")]
    given += [running.send_alert(alert("another", severity="critical"), priority="low")]
    await asyncio.gather(*given)
    assert await asyncio.to_thread(running.flush) == 0
    names = [taken.notification.priority.name for taken in heard if isinstance(taken, Taken)]
    await asyncio.to_thread(running.stop)
    assert names == ["URGENT", "HIGH", "NORMAL", "NORMAL", "URGENT", "HIGH", "LOW", "LOW"]


async def test_the_async_functions_take_the_same_arguments(sandbox: Sandbox, running: NotificationIntegration) -> None:
    ticket = await running.send_signal_async(
        signal=signal(), priority="HIGH", user_tier="premium", additional_context={"market": "trending"}
    )
    of_alert = await running.send_alert_async(alert=alert(), additional_context={"feed": "tiny.csv"})
    assert (ticket.outcome, of_alert.outcome) == (Outcome.ACCEPTED, Outcome.ACCEPTED)
    assert await asyncio.to_thread(running.flush) == 0
    assert "trending" in str(sandbox.discord.guild.messages("signals-premium"))
    assert "tiny.csv" in str(sandbox.discord.guild.messages("alerts-critical"))


def test_send_accepts_any_payload_and_other_functions_their_own_kind(running: NotificationIntegration) -> None:
    refused = running.send(Announcement(title="Hello", text="world")).result(10)
    assert refused.cause is Refusal.NO_DESTINATION
    with pytest.raises(InvalidValue) as refusal:
        running.send_signal(alert())  # type: ignore[arg-type]
    assert refusal.value.errors[0][2:] == ("payload", "Alert", "Signal")
    with pytest.raises(InvalidValue) as refusal:
        running.send("BUY")  # type: ignore[arg-type]
    kinds = "Signal, Alert, MarketAnalysis, SystemStatus, Announcement"
    assert refusal.value.errors[0][2:] == ("payload", "str", kinds)
    assert refusal.value.code == "wrong-kind"


@pytest.mark.parametrize(
    "wrong", [{"priority": "soon"}, {"priority": True}, {"user_tier": "no such tier!"}, {"additional_context": 7}]
)
def test_invalid_arguments_raise_at_the_call_running_or_not(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidValue):
        NotificationIntegration().send_signal(signal(), **wrong)  # type: ignore[arg-type]


def test_later_changes_of_the_context_have_no_effect(sandbox: Sandbox, running: NotificationIntegration) -> None:
    context = {"seen": "before"}
    future = running.send_signal(signal(), additional_context=context)
    context["seen"] = "after"
    future.result(10)
    running.flush()
    assert "before" in str(sandbox.discord.guild.messages("signals-free"))


def test_a_signal_without_a_start_is_refused_and_nothing_is_raised() -> None:
    integration = NotificationIntegration()
    ticket = integration.send_signal(signal()).result(0)
    assert (ticket.outcome, ticket.cause) == (Outcome.REFUSED, Refusal.NOT_RUNNING)
    assert ticket.reason == NOT_RUNNING
    assert (integration.flush(0), integration.stop(0)) == (0, 0)
    status, reasons = integration.health()
    assert (status, codes(reasons)) == (HealthStatus.UNHEALTHY, ["not-running"])
    metrics = integration.get_metrics()
    assert metrics["notifications_sent"] == 0
    assert {"log_lines_dropped", "oldest_command_s"} <= set(metrics), "the same names as when it runs"


def test_a_failed_start_raises_and_a_later_one_can_succeed(config_for: ConfigFor, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    integration = NotificationIntegration(config_for())
    for _ in range(2):
        with pytest.raises(StoreUnusable) as refusal:
            integration.start()
        assert refusal.value.code == "not-writable"
        assert codes(integration.health().reasons) == ["not-running"]
    (tmp_path / "home").unlink()
    integration.start()
    integration.start()
    sent = signal()
    assert integration.send_signal(sent).result(10).outcome is Outcome.ACCEPTED
    integration.stop()
    refused = integration.send_signal(sent).result(0)
    assert refused.cause is Refusal.NOT_RUNNING
    assert refused.reason == STOPPED
    integration.start()
    assert integration.send_signal(sent).result(10).outcome is Outcome.DUPLICATE
    integration.stop()


def test_an_invalid_configuration_is_raised_by_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_WEBHOOK_URL", "https://example.com/hook")
    with pytest.raises(InvalidConfiguration) as refused:
        NotificationIntegration().start()
    assert (refused.value.code, refused.value.field) == ("invalid-webhook", "DISCORD_WEBHOOK_URL")


@pytest.mark.parametrize("of", [NotificationIntegration, AsyncNotificationService, configure])
def test_an_argument_that_is_not_a_configuration_is_rejected_at_once(of: Callable[[Any], object]) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        of("signalpost.toml")
    facts = {"code": "wrong-kind", "field": "config", "value": "str", "limit": "Config"}
    assert refused.value.errors[0].facts() == facts


@pytest.mark.parametrize("of", [NotificationIntegration, AsyncNotificationService, configure])
@pytest.mark.parametrize("listeners", ["x", [None], print])
def test_listeners_that_are_not_functions_are_rejected_at_once(of: Callable[..., object], listeners: object) -> None:
    with pytest.raises(InvalidValue) as refused:
        of(listeners=listeners)
    assert (refused.value.code, refused.value.field) == ("wrong-kind", "listeners")


def test_it_can_be_configured_before_the_start_only(sandbox: Sandbox, config_for: ConfigFor) -> None:
    heard: list[Event] = []
    integration = NotificationIntegration()
    integration.configure(config_for(), listeners=[heard.append])
    integration.start()
    with pytest.raises(InvalidConfiguration) as refused:
        integration.configure()
    assert refused.value.code == "already-running"
    integration.send_signal(signal()).result(10)
    integration.stop()
    assert heard
    integration.configure()


def test_a_flush_returns_the_number_of_open_signals_and_a_stop_leaves_them_in_the_store(
    sandbox: Sandbox, config_for: ConfigFor
) -> None:
    sandbox.discord.faults.plan(Fault(seconds_before=60, is_processed=False))
    integration = NotificationIntegration(config_for())
    integration.start()
    integration.send_signal(signal())
    assert integration.flush(0.2) == 1
    assert integration.stop(0.2) == 1
    sandbox.discord.faults.clear()
    integration.start()
    assert integration.flush() == 0
    integration.stop()
    assert shown(sandbox, "signals-free") == ["BUY EURUSD (may repeat)"]


def test_a_flush_counts_more_open_signals_than_a_drain_lists(sandbox: Sandbox, config_for: ConfigFor) -> None:
    sandbox.discord.faults.plan(Fault(method="POST", answer=usual_answer(429, retry_after=900.0), is_processed=False))
    integration = NotificationIntegration(config_for())
    integration.start()
    futures = [integration.send_signal(signal(signal_id=f"s{number}")) for number in range(MAX_OPEN_SHOWN + 1)]
    assert {future.result(60).outcome for future in futures} == {Outcome.ACCEPTED}
    assert integration.flush() == MAX_OPEN_SHOWN + 1
    integration.stop(0.2)


@pytest.fixture
def slow_start(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The service starts once this is set."""
    from signalpost import AsyncNotificationService

    may_start, start = threading.Event(), AsyncNotificationService.start

    async def starting(self: AsyncNotificationService) -> None:
        await asyncio.to_thread(may_start.wait)
        await start(self)

    monkeypatch.setattr(AsyncNotificationService, "start", starting)
    yield may_start
    may_start.set()


def test_a_slow_start_continues_after_its_timeout_and_signals_wait_for_it(
    config_for: ConfigFor, slow_start: threading.Event
) -> None:
    integration = NotificationIntegration(config_for())
    with pytest.raises(StoreUnusable) as refused:
        integration.start(within=0.01)
    assert (refused.value.code, refused.value.errors[0].limit) == ("still-opening", "0.01")
    status, reasons = integration.health()
    assert (status, codes(reasons)) == (HealthStatus.UNHEALTHY, ["starting"])
    future = integration.send_signal(signal())
    assert not future.done()
    assert integration.get_metrics()["hand_overs_waiting"] == 1
    assert integration.flush(0.01) == 1
    slow_start.set()
    assert integration.flush(10) == 0, "a flush waits for the start as well"
    assert future.result(0).outcome is Outcome.ACCEPTED
    integration.start()
    integration.stop()


def test_an_ended_thread_is_reported_by_health_and_signals_are_refused(
    config_for: ConfigFor, services: list[Started]
) -> None:
    integration = NotificationIntegration(config_for())
    integration.start()
    services[0].stop()
    services[0].thread.end(10)
    status, reasons = integration.health()
    assert (status, codes(reasons)) == (HealthStatus.UNHEALTHY, ["not-running"])
    assert integration.send_signal(signal()).result(10).cause is Refusal.NOT_RUNNING
    integration.start()
    assert integration.is_healthy()
    integration.stop()


def test_a_forked_child_starts_its_own_service_with_the_first_signal(
    sandbox: Sandbox, config_for: ConfigFor, services: list[Started]
) -> None:
    """Acceptance tests really fork. Here the hook is called, and the child is a second service in this process."""
    integration = NotificationIntegration(config_for(), fallback=lambda _: None)
    integration.start()
    integration.forget_parent()
    assert codes(integration.health().reasons) == ["not-running"]
    assert integration.send_signal(signal()).result(10).outcome is Outcome.ACCEPTED
    assert len(services) == 2
    assert services[0].thread.is_alive
    assert services[0].service.role is Role.OWNER, "the parent's goes on"
    assert integration.flush() == 0
    integration.stop()
    integration.forget_parent()
    assert integration.send_signal(signal()).result(10).outcome is Outcome.DIRECT, "it was stopped before this fork"
    services[0].stop()


@pytest.mark.usefixtures("services")
def test_a_forked_child_does_not_wait_for_a_lock_of_its_parent(
    config_for: ConfigFor, slow_start: threading.Event
) -> None:
    integration = NotificationIntegration(config_for())
    starting = threading.Thread(target=integration.start)
    starting.start()
    while codes(integration.health().reasons) != ["starting"]:
        starting.join(0.01)
    integration.forget_parent()
    integration.configure()
    slow_start.set()
    starting.join(10)


def test_a_forked_child_that_cannot_start_refuses_and_logs_the_cause(
    tmp_path: Path, services: list[Started], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SIGNALPOST_HOME", str(tmp_path))
    integration = NotificationIntegration()
    integration.start()
    integration.forget_parent()
    monkeypatch.setenv("SIGNALPOST_WORKERS", "none")
    assert integration.send_signal(signal()).result(10).cause is Refusal.NOT_RUNNING
    assert any("SIGNALPOST_WORKERS" in record.getMessage() for record in caplog.records if record.levelname == "ERROR")


def test_a_child_in_another_folder_goes_on_with_its_parents_data(
    sandbox: Sandbox, tmp_path: Path, services: list[Started], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_WEBHOOK_URL", sandbox.webhook("one"))
    monkeypatch.setenv("SIGNALPOST_HOME", "home")
    monkeypatch.chdir(tmp_path)
    integration = NotificationIntegration()
    integration.start()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    integration.forget_parent()
    ticket = integration.send_alert(alert("of the child")).result(10)
    assert ticket.outcome is Outcome.ACCEPTED
    assert [each.service.config.home for each in services] == [tmp_path / "home"] * 2
    assert list((tmp_path / "elsewhere").iterdir()) == []
    integration.stop()
    services[0].stop()


def test_only_a_running_integration_is_stopped_at_the_end(config_for: ConfigFor) -> None:
    integration = NotificationIntegration(config_for())
    assert integration.stop not in this_process.running
    integration.start()
    assert integration.stop in this_process.running
    integration.stop()
    assert integration.stop not in this_process.running


def test_many_threads_may_start_and_stop_at_once(config_for: ConfigFor, services: list[Started]) -> None:
    integration = NotificationIntegration(config_for())
    threads = [threading.Thread(target=integration.start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert integration.is_healthy()
    threads = [threading.Thread(target=integration.stop) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes(integration.health().reasons) == ["not-running"]
    assert [each.thread.is_alive for each in services] == [False]


def test_without_a_configuration_it_reads_the_environment_at_each_start(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    integration = NotificationIntegration()
    monkeypatch.setenv("SIGNALPOST_HOME", str(tmp_path / "home"))
    for channel in ("one", "another"):
        monkeypatch.setenv("DISCORD_WEBHOOK_URL", sandbox.webhook(channel))
        integration.start()
        integration.send_alert(alert(channel))
        assert integration.stop() == 0
        assert shown(sandbox, channel) == [f"HIGH · {channel}"]
    assert Config.from_environment().home == tmp_path / "home"


async def test_the_functions_are_those_of_the_process_wide_integration() -> None:
    """They do not run here; in the acceptance tests they deliver."""
    tickets = [
        await send_signal(signal()),
        await send_alert(alert()),
        await send_signal_async(signal=signal()),
        await send_alert_async(alert=alert()),
    ]
    assert {ticket.cause for ticket in tickets} == {Refusal.NOT_RUNNING}
    assert flush(0) == 0


def test_an_error_of_the_machine_at_startup_is_raised_unchanged(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: AsyncNotificationService) -> None:
        raise OSError(24, "too many open files")

    monkeypatch.setattr(AsyncNotificationService, "start", fail)
    integration = NotificationIntegration(config_for())
    with pytest.raises(OSError) as raised:  # noqa: PT011  # its number is checked
        integration.start()
    assert raised.value.errno == 24
    assert integration.stop() == 0


def test_the_functions_of_the_process_are_what_their_methods_are() -> None:
    for name in ("send_signal", "update_signal", "close_signal"):
        assert not iscoroutinefunction(getattr(signalpost, name))
        assert iscoroutinefunction(getattr(signalpost, f"{name}_async"))
        assert "self" not in signature(getattr(signalpost, f"{name}_async")).parameters

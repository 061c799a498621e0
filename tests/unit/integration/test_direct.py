import asyncio
import threading
from collections import Counter
from concurrent.futures import wait
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from signalpost import AsyncNotificationService, Config, NotificationIntegration, Outcome, Refusal, clock
from signalpost.config import DestinationConfig
from signalpost.delivery.deduplication import Filters
from signalpost.delivery.dispatch import attempt
from signalpost.delivery.pacing.limits import Limits
from signalpost.domain.ticket import Ticket
from signalpost.integration import direct, service_thread
from signalpost.integration.direct import DirectSender
from signalpost.integration.loop_thread import LoopThread
from signalpost.integration.service_thread import ServiceThread
from signalpost.integration.submission import NOT_RUNNING, Submission
from signalpost.sandbox.rules.faults import Fault, usual_answer
from signalpost.sandbox.rules.limits import REAL
from signalpost.sandbox.server import Sandbox
from signalpost.secret import Secret
from signalpost.sinks.discord.cards.look import Look, TicketLayout
from signalpost.testing.manual_clock import ManualClock
from tests.unit.integration.conftest import ConfigFor, SandboxWith, Started
from tests.unit.service.conftest import shown, signal
from tests.until import until


def direct_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "signalpost direct"]


def test_a_running_service_accepts_the_signal_itself(running: NotificationIntegration, sandbox: Sandbox) -> None:
    ticket = running.send_signal_to_discord(signal(), user_tier="premium").result(10)
    assert ticket.outcome is Outcome.ACCEPTED
    running.flush()
    assert shown(sandbox, "signals-premium") == ["BUY EURUSD"]


def test_a_conflict_is_not_sent_directly(running: NotificationIntegration, sandbox: Sandbox) -> None:
    running.send_signal_to_discord(signal(signal_id="one")).result(10)
    ticket = running.send_signal_to_discord(signal(signal_id="one", entry_price="1.2")).result(10)
    assert (ticket.outcome, ticket.cause) == (Outcome.REFUSED, Refusal.CONFLICT)
    running.flush()
    assert len(shown(sandbox, "signals-free")) == 1


async def test_without_a_service_a_signal_is_sent_once_and_can_be_awaited(
    sandbox: Sandbox, config_for: ConfigFor
) -> None:
    integration = NotificationIntegration(config_for())
    ticket = await integration.send_signal_to_discord(signal(), user_tier="premium", additional_context={"a": "fact"})
    (message,) = sandbox.discord.guild.messages("signals-premium")
    assert (ticket.outcome, ticket.id, ticket.cause, ticket.warnings) == (Outcome.DIRECT, "", None, ())
    assert "signals-premium" in (ticket.reason or "")
    assert message["id"] in (ticket.reason or "")
    assert "fact" in str(message["embeds"])
    assert await asyncio.to_thread(integration.stop) == 0
    assert not config_for().home.exists(), "nothing was stored"


def test_with_a_stopped_service_one_sender_sends_on_its_loop(
    sandbox: Sandbox, config_for: ConfigFor, services: list[Started], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[DirectSender] = []

    class Noted(DirectSender):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(service_thread, "DirectSender", Noted)
    integration = NotificationIntegration(config_for())
    integration.start()
    services[0].stop()  # so that it refuses, while its thread runs
    for number in range(2):
        ticket = integration.send_signal_to_discord(signal(signal_id=str(number))).result(10)
        assert ticket.outcome is Outcome.DIRECT
    assert integration.flush() == 0
    assert len(shown(sandbox, "signals-free")) == 2
    assert len(made) == 1
    assert direct_threads() == []
    integration.stop()


def test_direct_sends_beside_a_service_fill_the_windows_of_its_lanes(
    sandbox: Sandbox, config_for: ConfigFor, services: list[Started]
) -> None:
    thread = ServiceThread(AsyncNotificationService(config_for(limits=Limits(messages_a_minute=30))))
    thread.wait(10)
    submission = Submission(signal())
    thread.direct.take(submission, Ticket(Outcome.REFUSED, "", "the disk is full", Refusal.STORE))
    assert submission.future.result(10).outcome is Outcome.DIRECT
    assert len(shown(sandbox, "signals-free")) == 1
    lane = thread.lane("signals-free")
    assert lane is not None
    assert len(lane.gate.pacer.memory(services[0].thread.loop.time()).ages) == 1
    thread.stop(5)


def test_while_the_store_fails_a_signal_is_sent_directly(
    sandbox: Sandbox, config_for: ConfigFor, full_disk: None
) -> None:
    integration = NotificationIntegration(config_for())
    integration.start()
    assert integration.send_signal_to_discord(signal()).result(10).outcome is Outcome.DIRECT
    assert len(shown(sandbox, "signals-free")) == 1
    integration.stop(0)


def test_a_burst_makes_no_429_under_discords_own_limits(sandbox_with: SandboxWith, config_for: ConfigFor) -> None:
    real = sandbox_with(REAL)
    integration = NotificationIntegration(config_for("signals-free", limits=Limits(), at=real))
    futures = [integration.send_signal_to_discord(signal(signal_id=str(number))) for number in range(8)]
    assert {future.result(30).outcome for future in futures} == {Outcome.DIRECT}
    integration.stop()
    statuses = Counter(logged.entry.status for logged in real.discord.log.since(0))
    assert statuses == {200: 8}


@pytest.mark.parametrize(
    ("fault", "outcome", "facts"),
    [
        (Fault(answer=usual_answer(400), is_processed=False), Outcome.REFUSED, ("signals-free", "400")),
        (Fault(answer=usual_answer(429), is_processed=False), Outcome.REFUSED, ("signals-free", "429")),
        (Fault(is_cut=True), Outcome.DIRECT, ("signals-free",)),
        (Fault(answer=usual_answer(503)), Outcome.DIRECT, ("signals-free",)),
    ],
)
def test_a_failed_attempt_is_refused_and_an_unknown_one_is_not(
    fault: Fault, outcome: Outcome, facts: tuple[str, ...], sandbox: Sandbox, config_for: ConfigFor
) -> None:
    sandbox.discord.faults.plan(fault)
    integration = NotificationIntegration(config_for())
    ticket = integration.send_signal_to_discord(signal()).result(10)
    integration.stop()
    assert ticket.outcome is outcome
    assert all(fact in (ticket.reason or "") for fact in facts)
    assert ticket.cause is (None if ticket else Refusal.NOT_RUNNING)
    assert sum(1 for _ in sandbox.discord.log.since(0)) == 1, "it is tried once"


def test_a_signal_without_a_destination_and_a_stale_one_are_not_sent(sandbox: Sandbox, config_for: ConfigFor) -> None:
    integration = NotificationIntegration(config_for("signals-free"))
    ticket = integration.send_signal_to_discord(signal(), user_tier="premium").result(10)
    assert ticket.cause is Refusal.NO_DESTINATION
    assert "signals-premium" in (ticket.reason or "")
    ticket = integration.send_signal_to_discord(signal(), user_tier="vip").result(10)
    assert ticket.cause is Refusal.NO_DESTINATION
    assert "'vip'" in (ticket.reason or "")
    with ManualClock(clock.now()) as manual:
        stale = signal(valid_until=clock.now() + timedelta(minutes=1))
        manual.advance(timedelta(minutes=1))
        ticket = integration.send_signal_to_discord(stale).result(10)
    assert ticket.outcome is Outcome.SUPPRESSED
    assert ticket.reason
    integration.stop()
    assert shown(sandbox, "signals-free") == []


def test_a_signal_that_a_filter_stops_is_not_sent(sandbox: Sandbox, config_for: ConfigFor) -> None:
    config = msgspec.structs.replace(config_for("signals-free"), filters=Filters(pairs=frozenset({"GBP/USD"})))
    integration = NotificationIntegration(config)
    tickets = [integration.send_signal_to_discord(signal(pair=pair)).result(10) for pair in ("EURUSD", "GBPUSD")]
    assert [(each.outcome, each.code) for each in tickets] == [("suppressed", "pair-not-enabled"), ("direct", None)]
    integration.stop()
    assert shown(sandbox, "signals-free") == ["BUY GBPUSD"]


def test_an_invalid_configuration_is_reported_by_the_ticket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALPOST_WORKERS", "none")
    ticket = NotificationIntegration().send_signal_to_discord(signal()).result(0)
    assert ticket.cause is Refusal.NOT_RUNNING
    assert "SIGNALPOST_WORKERS" in (ticket.reason or "")


def test_a_signal_without_a_slot_in_time_is_refused(
    sandbox: Sandbox, config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "LONGEST_WAIT", 0.05)
    sandbox.discord.faults.plan(Fault(seconds_before=1))
    integration = NotificationIntegration(config_for("signals-free", limits=Limits(messages_a_minute=1)))
    first = integration.send_signal_to_discord(signal(signal_id="1"))
    second = integration.send_signal_to_discord(signal(signal_id="2")).result(10)
    assert second.outcome is Outcome.REFUSED
    assert "signals-free" in (second.reason or "")
    assert first.result(10).outcome is Outcome.DIRECT
    third = integration.send_signal_to_discord(signal(signal_id="3")).result(10)
    assert third.outcome is Outcome.REFUSED
    integration.stop()
    assert sum(1 for _ in sandbox.discord.log.since(0)) == 1, "the others were not sent"


def test_a_stop_counts_unfinished_sends_and_their_tickets_end(sandbox: Sandbox, config_for: ConfigFor) -> None:
    sandbox.discord.faults.plan(Fault(seconds_before=60))
    integration = NotificationIntegration(config_for(limits=Limits(messages_a_minute=1)))
    hanging = integration.send_signal_to_discord(signal(signal_id="hangs"))
    waiting = integration.send_signal_to_discord(signal(signal_id="waits for its slot"))
    assert integration.flush(0.1) == 2
    assert integration.stop(0.1) == 2
    assert hanging.result(10).outcome is Outcome.DIRECT
    assert "signals-free" in (hanging.result().reason or "")
    assert waiting.result(10).outcome is Outcome.REFUSED
    assert waiting.result().cause is Refusal.NOT_RUNNING
    assert waiting.result().reason != NOT_RUNNING, "it also says that the direct send was stopped"


async def test_a_cancelled_send_counts_as_perhaps_shown(sandbox: Sandbox, config_for: ConfigFor) -> None:
    sandbox.discord.faults.plan(Fault(seconds_before=60))
    thread = LoopThread("direct")
    submission = Submission(signal())
    refused = Ticket(Outcome.REFUSED, "", "no service", Refusal.NOT_RUNNING)
    DirectSender(config_for(), thread).take(submission, refused)
    await until(lambda: not sandbox.discord.faults.pending())
    thread.end(10)
    ticket = await submission.future
    assert (ticket.outcome, ticket.id, ticket.cause, ticket.warnings) == (Outcome.DIRECT, "", None, ())
    assert "signals-free" in (ticket.reason or "")


def test_a_full_queue_refuses(
    sandbox: Sandbox, config_for: ConfigFor, services: list[Started], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "MOST_WAITING", 1)
    sandbox.discord.faults.plan(Fault(seconds_before=60, times=2))
    integration = NotificationIntegration(config_for())
    for _ in range(2):
        integration.send_signal_to_discord(signal())
        ticket = integration.send_signal_to_discord(signal()).result(10)
        assert ticket.cause is Refusal.TOO_MANY
        integration.stop(0)
        integration.start()
        services[-1].stop()
    integration.stop(0)


def test_an_unexpected_error_is_refused_and_logged_without_its_text(
    config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def break_down(*_: object) -> None:
        raise LookupError("https://discord.com/api/webhooks/1/token")

    monkeypatch.setattr(attempt, "send", break_down)
    integration = NotificationIntegration(config_for())
    ticket = integration.send_signal_to_discord(signal()).result(10)
    assert "LookupError" in (ticket.reason or "")
    assert "LookupError" in caplog.text
    assert "webhooks" not in caplog.text
    integration.stop()


def test_a_signal_after_the_end_of_the_loop_is_refused(config_for: ConfigFor) -> None:
    sender = DirectSender(config_for(), LoopThread("direct"))
    assert sender.stop(5) == 0
    submission = Submission(signal())
    sender.take(submission, Ticket(Outcome.REFUSED, "", "no service", Refusal.NOT_RUNNING))
    assert submission.future.result(10).cause is Refusal.NOT_RUNNING


def test_many_threads_share_one_direct_sender(sandbox: Sandbox, config_for: ConfigFor) -> None:
    integration = NotificationIntegration(config_for())
    futures = []

    def send(number: int) -> None:
        futures.append(integration.send_signal_to_discord(signal(signal_id=str(number))))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait(futures, 30)
    assert len(direct_threads()) == 1
    integration.stop()
    assert len(shown(sandbox, "signals-free")) == 8


def test_both_destinations_of_a_tier_are_tried(sandbox: Sandbox, config_for: ConfigFor) -> None:
    from signalpost.delivery.routing import Tier
    from signalpost.domain.tier import UserTier

    destinations = tuple(DestinationConfig(name, Secret(sandbox.webhook(name)), Limits()) for name in ("one", "two"))
    tiers = {UserTier("vip"): Tier(15, ("one", "two"))}
    config = Config(home=config_for().home, destinations=destinations, tiers=tiers)
    sandbox.discord.guild.delete("two")
    integration = NotificationIntegration(config)
    ticket = integration.send_signal_to_discord(signal(), user_tier="vip").result(10)
    assert ticket.outcome is Outcome.DIRECT
    (message,) = sandbox.discord.guild.messages("one")
    assert message["id"] in (ticket.reason or "")
    assert "two" in (ticket.reason or "")
    assert "10015" in (ticket.reason or "")
    integration.stop()


def test_a_start_and_a_new_configuration_leave_no_sender_behind(sandbox: Sandbox, config_for: ConfigFor) -> None:
    integration = NotificationIntegration(config_for())
    integration.send_signal_to_discord(signal(signal_id="1")).result(10)
    integration.configure(config_for("signals-premium"))
    assert direct_threads() == []
    ticket = integration.send_signal_to_discord(signal(signal_id="2"), user_tier="premium").result(10)
    assert ticket.outcome is Outcome.DIRECT
    (message,) = sandbox.discord.guild.messages("signals-premium")
    assert message["id"] in (ticket.reason or "")
    assert len(direct_threads()) == 1
    integration.start()
    integration.stop()
    assert direct_threads() == []


def test_a_direct_message_looks_as_configured(config_for: ConfigFor, sandbox: Sandbox) -> None:
    (destination,) = config_for("signals-free").destinations
    config = Config(
        home=config_for().home,
        destinations=(destination._replace(ticket=TicketLayout.LINES),),
        look=Look(username="Ann"),
    )
    integration = NotificationIntegration(config)
    assert integration.send_signal_to_discord(signal(stop_loss="1.1599")).result(10).outcome is Outcome.DIRECT
    (message,) = sandbox.discord.guild.messages("signals-free")
    assert message["author"]["username"] == "Ann"
    assert [line.split()[0] for line in message["content"].splitlines()] == ["BUY", "SL"]
    integration.stop()

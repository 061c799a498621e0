"""`signalpost deliveries revive` and `cancel`: what they change, what they leave, and what they say."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from signalpost import AsyncNotificationService, Config, clock
from signalpost.delivery.wake_socket import WakeSocket
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.events import Event, Settled
from signalpost.domain.seconds import duration
from signalpost.errors import InvalidValue
from signalpost.sandbox.server import Sandbox
from tests.surface.errors import Facts, facts_of
from tests.unit.cli.folder import Folder, alert

_S = DeliveryState


def ended(folder: Folder, state: DeliveryState, name: str = "a1", **changes: object) -> str:
    ticket = folder.put(alert(name))
    folder.end(folder.lease(), state, **changes)  # type: ignore[arg-type]
    return ticket


@pytest.mark.parametrize("state", [_S.DEAD, _S.UNCONFIRMED, _S.EXPIRED])
def test_a_delivery_that_ended_without_being_shown_is_revived(folder: Folder, state: DeliveryState) -> None:
    ticket = ended(folder, state)
    result = folder.run("deliveries", "revive", ticket, "--json")
    assert result.exit_code == 0
    again = json.loads(result.stdout)
    assert (again["ticket"], again["turn"], again["state"]) == (ticket, 2, "pending")
    assert again["may_repeat"] is (state is _S.UNCONFIRMED)
    assert f"{ticket}@alerts-general" in again["reason"]
    assert result.stderr, "no service is running, so nothing is sent yet"
    listed = [json.loads(line) for line in folder.run("deliveries", "list", "--json").stdout.splitlines()]
    assert sorted((each["turn"], each["state"]) for each in listed) == [(1, state.value), (2, "pending")]


def test_a_revived_delivery_is_valid_as_long_as_before_or_as_given(folder: Folder) -> None:
    for wanted, hours in ((), 4), (("--valid-for", "30m"), 0.5):
        ticket = ended(folder, _S.DEAD, f"a{hours}")
        result = folder.run("deliveries", "revive", ticket, *wanted)
        assert f"{ticket}@alerts-general#2" in result.stdout
        assert "pending" in result.stdout
        (line,) = folder.run("deliveries", "list", "--limit", "1", "--json").stdout.splitlines()
        left = (datetime.fromisoformat(json.loads(line)["valid_until"]) - clock.now()).total_seconds()
        assert left == pytest.approx(hours * 3600, abs=60)
        folder.run("deliveries", "cancel", ticket)


@pytest.mark.parametrize("state", [_S.DELIVERED, _S.PENDING])
def test_a_delivered_or_pending_delivery_is_not_revived(folder: Folder, state: DeliveryState) -> None:
    ticket = ended(folder, state)
    result = folder.run("deliveries", "revive", ticket)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{ticket}@alerts-general" in result.stderr
    assert state in result.stderr
    assert folder.refused("deliveries", "revive", ticket) == (1, [Facts("wrong-state", "state", str(state))])


def test_only_the_last_turn_is_revived_and_only_once(folder: Folder) -> None:
    ticket = ended(folder, _S.DEAD)
    assert folder.run("deliveries", "revive", ticket).exit_code == 0
    second = folder.run("deliveries", "revive", ticket)
    assert second.exit_code == 1
    assert f"{ticket}@alerts-general#2" in second.stderr
    assert folder.refused("deliveries", "revive", ticket) == (1, [Facts("wrong-state", "state", "pending")])
    folder.end(folder.lease(), _S.DEAD)
    assert f"{ticket}@alerts-general#3" in folder.run("deliveries", "revive", ticket).stdout


def test_a_destination_after_the_ticket_selects_one_delivery(folder: Folder) -> None:
    ticket = ended(folder, _S.DEAD)
    expected = Facts("not-found", "destination", "community", "alerts-general")
    assert folder.refused("deliveries", "revive", f"{ticket}@community") == (2, [expected])
    wrong = folder.run("deliveries", "revive", f"{ticket}@community").stderr
    assert all(fact in wrong for fact in (ticket, "community", "alerts-general"))
    assert folder.run("deliveries", "revive", "nobody@alerts-general").exit_code == 2
    assert folder.run("deliveries", "revive", "nobody").exit_code == 2
    assert folder.run("deliveries", "revive", f"{ticket}@alerts-general").exit_code == 0


def test_an_id_with_an_at_sign_is_used_as_it_is(folder: Folder) -> None:
    ticket = ended(folder, _S.DEAD, "me@home")
    for name in ("me@home", "me@home new", "me@home@alerts-general"):
        assert f"{ticket}@alerts-general" in folder.run("deliveries", "revive", name).stdout
        folder.run("deliveries", "cancel", name)
        assert folder.run("deliveries", "list", "--state", "pending", "--json").stdout == ""


def test_only_a_pending_delivery_is_cancelled_with_its_reason(folder: Folder) -> None:
    ticket = folder.put(alert("a1"))
    result = folder.run("deliveries", "cancel", ticket, "--reason", "holiday")
    assert result.exit_code == 0
    assert f"{ticket}@alerts-general" in result.stdout
    assert "cancelled" in result.stdout
    assert "holiday" in folder.run("deliveries", "why", ticket).stdout
    assert folder.refused("deliveries", "cancel", ticket) == (1, [Facts("wrong-state", "state", "cancelled")])
    leased = folder.put(alert("a2"))
    folder.lease()
    assert folder.refused("deliveries", "cancel", leased) == (1, [Facts("wrong-state", "state", "leased")])
    assert f"{leased}@alerts-general" in folder.run("deliveries", "cancel", leased).stderr


@pytest.mark.parametrize("state", [_S.DEAD, _S.UNCONFIRMED, _S.EXPIRED])
def test_why_names_the_command_until_it_was_run(folder: Folder, state: DeliveryState) -> None:
    ticket = ended(folder, state)
    assert f"`signalpost deliveries revive {ticket}@alerts-general`" in folder.run("deliveries", "why", ticket).stdout
    folder.run("deliveries", "revive", ticket)
    output = folder.run("deliveries", "why", ticket).stdout
    assert "deliveries revive" not in output
    first, second = map(json.loads, folder.run("deliveries", "why", ticket, "--json").stdout.splitlines())
    assert (first["turn"], first["next"], first["todo"]) == (1, [], [])
    assert second["turn"] == 2
    assert f"{ticket}@alerts-general" in second["happened"][0]


@pytest.mark.parametrize("text", ["", "0h", "h", "2", "1.5h", "-1h", "367d", "999999w"])
def test_an_invalid_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        duration(text, "--valid-for")
    assert facts_of(refusal.value) == [Facts("not-a-duration", "--valid-for", repr(text), "366d")]


def test_a_length_of_time() -> None:
    assert [duration(text, "x") for text in ("30m", " 2H ", "366d")] == [
        timedelta(minutes=30),
        timedelta(hours=2),
        timedelta(days=366),
    ]


async def test_a_running_service_sends_a_revived_delivery_at_once(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data")
    ticket = ended(folder, _S.UNCONFIRMED)
    settled: list[tuple[int, str]] = []
    heard = asyncio.Event()

    def listen(event: Event) -> None:
        if isinstance(event, Settled):
            settled.append((event.delivery.id.turn, event.delivery.state))
            heard.set()

    async with Sandbox() as sandbox:
        url = sandbox.webhook("alerts-general")
        environment = {"SIGNALPOST_HOME": str(folder.home), "DISCORD_WEBHOOK_ALERTS_GENERAL": url}
        async with AsyncNotificationService(Config.from_environment(environment), listeners=[listen]) as service:
            await service.drain()
            result = await asyncio.to_thread(folder.run, "deliveries", "revive", ticket, "--json")
            assert (result.exit_code, result.stderr) == (0, "")
            await asyncio.wait_for(heard.wait(), 10)
            assert settled == [(2, _S.DELIVERED)]


async def test_the_owner_is_notified_of_a_revived_delivery(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data")
    ticket = ended(folder, _S.DEAD)
    heard = asyncio.Event()
    wake_socket = await WakeSocket.open(folder.home / "outbox.bell", heard.set, asyncio.to_thread)
    try:
        await asyncio.to_thread(folder.run, "deliveries", "revive", ticket)
        await asyncio.wait_for(heard.wait(), 10)
    finally:
        await wake_socket.close()

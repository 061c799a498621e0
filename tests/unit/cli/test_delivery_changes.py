"""`signalpost deliveries revive` and `cancel`: what they change, what they leave, and what they say."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from signalpost import AsyncNotificationService, Config, clock
from signalpost.cli.moments import length
from signalpost.delivery.doorbell import Doorbell
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.events import Event, Settled
from signalpost.errors import InvalidValue
from signalpost.sandbox.server import Sandbox
from tests.unit.cli.folder import Folder, alert

_S = DeliveryState


def ended(folder: Folder, state: DeliveryState, name: str = "a1", **changes: object) -> str:
    ticket = folder.put(alert(name))
    folder.end(folder.lease(), state, **changes)  # type: ignore[arg-type]
    return ticket


@pytest.mark.parametrize("state", [_S.DEAD, _S.UNCONFIRMED, _S.EXPIRED])
def test_what_has_ended_without_being_shown_is_revived_as_its_next_turn(folder: Folder, state: DeliveryState) -> None:
    ticket = ended(folder, state)
    result = folder.run("deliveries", "revive", ticket, "--json")
    assert result.exit_code == 0
    again = json.loads(result.stdout)
    assert (again["ticket"], again["turn"], again["state"]) == (ticket, 2, "pending")
    assert again["may_repeat"] is (state is _S.UNCONFIRMED)
    assert again["reason"] == f"revives {ticket}@alerts-general"
    assert "no service runs on this data folder" in result.stderr
    listed = [json.loads(line) for line in folder.run("deliveries", "list", "--json").stdout.splitlines()]
    assert sorted((each["turn"], each["state"]) for each in listed) == [(1, state.value), (2, "pending")]


def test_it_is_worth_sending_for_as_long_as_at_first_or_as_long_as_is_said(folder: Folder) -> None:
    for wanted, hours in ((), 4), (("--valid-for", "30m"), 0.5):
        ticket = ended(folder, _S.DEAD, f"a{hours}")
        result = folder.run("deliveries", "revive", ticket, *wanted)
        assert f"revived: {ticket}@alerts-general#2 is pending, is worth sending until " in result.stdout
        (line,) = folder.run("deliveries", "list", "--limit", "1", "--json").stdout.splitlines()
        left = (datetime.fromisoformat(json.loads(line)["valid_until"]) - clock.now()).total_seconds()
        assert left == pytest.approx(hours * 3600, abs=60)
        folder.run("deliveries", "cancel", ticket)


@pytest.mark.parametrize("state", [_S.DELIVERED, _S.PENDING])
def test_what_was_delivered_or_waits_is_not_revived(folder: Folder, state: DeliveryState) -> None:
    ticket = ended(folder, state)
    result = folder.run("deliveries", "revive", ticket)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"not revived: {ticket}@alerts-general is {state}\n"


def test_only_the_last_turn_is_revived_and_only_once(folder: Folder) -> None:
    ticket = ended(folder, _S.DEAD)
    assert folder.run("deliveries", "revive", ticket).exit_code == 0
    second = folder.run("deliveries", "revive", ticket)
    assert (second.exit_code, second.stderr) == (1, f"not revived: {ticket}@alerts-general#2 is pending\n")
    folder.end(folder.lease(), _S.DEAD)
    assert f"{ticket}@alerts-general#3 is pending" in folder.run("deliveries", "revive", ticket).stdout


def test_a_destination_behind_the_ticket_means_that_one_alone(folder: Folder) -> None:
    ticket = ended(folder, _S.DEAD)
    assert folder.run("deliveries", "revive", f"{ticket}@community").exit_code == 2
    wrong = folder.run("deliveries", "revive", f"{ticket}@community").stderr
    assert f"{ticket} has no delivery to community: it has one to alerts-general" in " ".join(wrong.split())
    assert folder.run("deliveries", "revive", "nobody@alerts-general").exit_code == 2
    assert folder.run("deliveries", "revive", "nobody").exit_code == 2
    assert folder.run("deliveries", "revive", f"{ticket}@alerts-general").exit_code == 0


def test_an_id_that_has_the_sign_in_it_is_meant_as_it_is(folder: Folder) -> None:
    ticket = ended(folder, _S.DEAD, "me@home")
    for name in ("me@home", "me@home new", "me@home@alerts-general"):
        assert f"{ticket}@alerts-general" in folder.run("deliveries", "revive", name).stdout
        folder.run("deliveries", "cancel", name)
        assert folder.run("deliveries", "list", "--state", "pending", "--json").stdout == ""


def test_what_waits_is_cancelled_with_its_reason_and_nothing_else_is(folder: Folder) -> None:
    ticket = folder.put(alert("a1"))
    result = folder.run("deliveries", "cancel", ticket, "--reason", "the market is closed")
    assert (result.exit_code, result.stdout) == (0, f"cancelled: {ticket}@alerts-general is cancelled\n")
    assert "the market is closed" in folder.run("deliveries", "why", ticket).stdout
    again = folder.run("deliveries", "cancel", ticket, "--json")
    assert (again.exit_code, json.loads(again.stdout)["errors"][0]["code"]) == (1, "wrong-state")
    leased = folder.put(alert("a2"))
    folder.lease()
    result = folder.run("deliveries", "cancel", leased)
    assert (result.exit_code, result.stderr) == (1, f"not cancelled: {leased}@alerts-general is leased\n")


@pytest.mark.parametrize("state", [_S.DEAD, _S.UNCONFIRMED, _S.EXPIRED])
def test_why_names_the_command_and_after_it_that_it_was_done(folder: Folder, state: DeliveryState) -> None:
    ticket = ended(folder, state)
    assert f"`signalpost deliveries revive {ticket}@alerts-general`" in folder.run("deliveries", "why", ticket).stdout
    folder.run("deliveries", "revive", ticket)
    told = folder.run("deliveries", "why", ticket).stdout
    assert "deliveries revive" not in told
    assert "A person revived it" in told
    assert f"It is turn 2 for alerts-general: revives {ticket}@alerts-general." in told


@pytest.mark.parametrize("text", ["", "0h", "h", "2", "1.5h", "-1h", "367d", "999999w"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"--valid-for is .*: give a time such as 30m, 2h or 7d, a year at most"):
        length(text, "--valid-for")


def test_a_length_of_time() -> None:
    assert [length(text, "x") for text in ("30m", " 2H ", "366d")] == [
        timedelta(minutes=30),
        timedelta(hours=2),
        timedelta(days=366),
    ]


async def test_a_running_service_sends_at_once_what_is_revived_beside_it(tmp_path: Path) -> None:
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


async def test_whoever_delivers_hears_of_it(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data")
    ticket = ended(folder, _S.DEAD)
    heard = asyncio.Event()
    bell = await Doorbell.hung(folder.home / "outbox.bell", heard.set, asyncio.to_thread)
    try:
        await asyncio.to_thread(folder.run, "deliveries", "revive", ticket)
        await asyncio.wait_for(heard.wait(), 10)
    finally:
        await bell.close()

"""`signalpost deliveries`: what it lists, shows and tells, as text and as JSON."""

import json
from contextlib import closing
from datetime import timedelta

import pytest

from signalpost.delivery.facts import OWNER, owner_fact
from signalpost.delivery.outbox.commands import SaveFacts
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.priority import NotificationPriority
from tests.unit.cli.folder import Folder, alert

HOUR = timedelta(hours=1)
GENERAL = {"DISCORD_WEBHOOK_ALERTS_GENERAL": "http://127.0.0.1:9/api/v10/webhooks/g/token"}


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_list_is_newest_first_a_row_each_and_counts_all(folder: Folder) -> None:
    first = folder.put(alert("a1", f"An alert with a long title {'x' * 80}"), ago=HOUR)
    second = folder.put(alert("a2"))
    result = folder.run("deliveries", "list")
    rows = [line for line in result.stdout.splitlines() if "alerts-general" in line]
    assert [second in rows[0], first in rows[1]] == [True, True]
    assert "…" in rows[1]
    assert "low alert: Disk" in rows[0]
    assert result.stdout.endswith("\n2 pending\n")


def test_the_list_is_filtered_by_all_that_is_given(folder: Folder) -> None:
    old = folder.put(alert("a1"), ago=3 * HOUR, priority=NotificationPriority.URGENT)
    dead = folder.put(alert("a2"), "community", state=DeliveryState.SUPPRESSED, reason="stale")

    def listed(*options: str) -> list[object]:
        return [each["ticket"] for each in lines(folder.run("deliveries", "list", "--json", *options).stdout)]

    assert listed() == [dead, old]
    assert listed("--limit", "1") == [dead]
    assert listed("--state", "pending", "--state", "dead") == [old]
    assert listed("--destination", "community") == [dead]
    assert listed("--priority", "urgent") == [old]
    assert listed("--since", "1h") == [dead]
    assert folder.run("deliveries", "list", "--since", "1h", "--state", "dead").stdout == (
        "none of the deliveries is like that\n1 pending, 1 suppressed\n"
    )


def test_an_empty_store_says_so(folder: Folder) -> None:
    folder.apply()
    assert folder.run("deliveries", "list").stdout == "no deliveries yet\n"
    assert folder.run("deliveries", "list", "--json").stdout == ""


def test_a_line_of_json_has_every_fact(folder: Folder) -> None:
    ticket = folder.put(alert("a1"))
    (line,) = lines(folder.run("deliveries", "list", "--json").stdout)
    assert list(line) == [
        *("ticket", "destination", "turn", "key", "state", "priority", "accepted_at", "valid_until", "not_before"),
        *("attempts", "may_repeat", "reason", "message_id"),
    ]
    assert (line["ticket"], line["key"], line["not_before"]) == (ticket, "a1 new", None)


def test_show_has_the_message_row_and_every_attempt(folder: Folder) -> None:
    ticket = folder.put(alert("a1"))
    folder.end(folder.lease(), DeliveryState.DELIVERED, "77", may_repeat=True)
    shown = folder.run("deliveries", "show", ticket).stdout.splitlines()
    assert shown[0] == f"{ticket}@alerts-general: delivered"
    assert shown[1].startswith("  a1 new, NORMAL, valid until ")
    assert shown[2].startswith("  message 77, sent 20")
    assert shown[3] == "  an earlier attempt may have been shown"
    assert shown[4].startswith("  1. 09:30:00Z, 60.000 s, delivered: 200")
    (plain,) = lines(folder.run("deliveries", "show", "a1", "--json").stdout)
    assert plain["message"] == {"message_id": "77", "sent_at": plain["message"]["sent_at"], "version": 1}  # type: ignore[index]
    assert [each["outcome"] for each in plain["history"]] == ["delivered"]  # type: ignore[attr-defined]


def test_one_without_a_message_shows_none(folder: Folder) -> None:
    ticket = folder.put(alert("a1"), state=DeliveryState.SUPPRESSED, reason="stale")
    assert folder.run("deliveries", "show", ticket).stdout.splitlines()[0].endswith("suppressed (stale)")
    (plain,) = lines(folder.run("deliveries", "show", ticket, "--json").stdout)
    assert (plain["message"], plain["history"]) == (None, [])


def test_why_tells_the_story_in_sentences_and_as_json(folder: Folder) -> None:
    ticket = folder.put(alert("a1"), ago=HOUR)
    told = folder.run("deliveries", "why", ticket, **GENERAL).stdout.splitlines()
    assert told[0] == f"{ticket}: low alert: Disk"
    assert told[4:7] == [
        "alerts-general: pending",
        "  It is for alerts-general, where alerts of severity low go.",
        "  next: It waits, because no service runs on this data folder.",
    ]
    assert told[-1] == "  do: Start a service on this data folder: `signalpost serve`, or your strategy."
    (plain,) = lines(folder.run("deliveries", "why", ticket, "--json", **GENERAL).stdout)
    assert plain["ticket"] == ticket
    assert plain["happened"] == [told[5].strip()]
    assert plain["todo"] == [told[-1].removeprefix("  do: ")]
    assert len(plain["next"]) == 2  # type: ignore[arg-type]


def test_why_takes_a_payloads_id_and_a_key_and_tells_of_each_of_its_tickets(folder: Folder) -> None:
    first, second = folder.put(alert("a1")), folder.put(alert("a1"), event="update 1")
    told = folder.run("deliveries", "why", "a1").stdout
    assert told.index(f"{first}: low alert: Disk\n") < told.index(f"\n\n{second}: low alert: Disk, update 1\n")
    assert folder.run("deliveries", "why", "a1 update 1").stdout.startswith(second)


def test_why_tells_what_waits_before_it_and_how_its_destination_fares(folder: Folder) -> None:
    for number in range(5):
        folder.put(alert(f"failed {number}"))
        folder.end(folder.lease(), DeliveryState.DEAD, attempt=_failed(number))
    folder.put(alert("before"))
    ticket = folder.put(alert("a1"))
    told = folder.run("deliveries", "why", ticket, **GENERAL).stdout
    assert "  next: The last 5 attempts at alerts-general failed, so its breaker is probably open" in told
    assert "  next: 1 delivery goes to alerts-general before it, at 15 messages a minute at most." in told


def test_why_goes_by_the_webhooks_of_the_service_that_runs(folder: Folder) -> None:
    ticket, other = folder.put(alert("a1")), folder.put(alert("a2"), "community")
    with closing(SqliteCore(folder.path)) as owner:
        owner.apply([SaveFacts(OWNER, owner_fact(owner.holder or "", ["alerts-general"], {}, None))])
        served = folder.run("deliveries", "why", ticket).stdout
        unserved = folder.run("deliveries", "why", other).stdout
        owner.apply([SaveFacts(OWNER, owner_fact(owner.holder or "", ["community"], {}, None))])
        gone = folder.run("deliveries", "why", ticket, **GENERAL).stdout
    assert "no service runs" not in served + unserved
    assert "has no webhook" not in served
    assert "  next: The running service has no webhook for community" in unserved
    assert "  next: The running service has no webhook for alerts-general" in gone
    alone = folder.run("deliveries", "why", ticket, **GENERAL).stdout
    assert "has no webhook" not in alone, "without a service, this configuration counts"


def _failed(number: int) -> object:
    from signalpost import clock
    from signalpost.domain.delivery import Attempt

    return Attempt(clock.now(), clock.now() + timedelta(seconds=number), "unavailable", "no connection")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("list", "--state", "lost"), "--state is 'lost': give one of pending, leased"),
        (("list", "--limit", "0"), "0 is not in the range"),
        (("list", "--since", "soon"), "--since is 'soon': give how long ago"),
        (("list", "--priority", "huge"), "--priority is 'huge': give one of LOW"),
        (("list", "a1"), "Got unexpected extra argument (a1)"),
        (("show",), "Missing argument 'TICKET'"),
        (("show", "a2"), "there is no ticket 'a2' here, and no signal or key of that name"),
        (("show", ""), "there is no ticket '' here"),
        (("show", "a1", "a1"), "Got unexpected extra argument (a1)"),
        (("show", "a1", "--limit", "3"), "No such option '--limit'"),
        (("why",), "Missing argument 'TICKET'"),
        (("why", "a1%"), "there is no ticket 'a1%' here"),
        (("why", "' OR 1=1 --"), "there is no ticket"),
        (("why", "a1", "--config", "none.toml"), "none.toml"),
        (("why", "a1", "--state", "dead"), "No such option '--state'"),
    ],
)
def test_bad_input_is_exit_code_2_with_what_to_do(folder: Folder, arguments: tuple[str, ...], told: str) -> None:
    folder.put(alert("a1"))
    result = folder.run("deliveries", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr


def test_a_store_that_cannot_be_looked_at_is_exit_code_3(folder: Folder) -> None:
    for command in (("list",), ("show", "a1"), ("why", "a1")):
        result = folder.run("deliveries", *command)
        assert (result.exit_code, result.stdout) == (3, "")
        assert "there is no outbox here yet: the first run of the service makes it" in result.stderr
    folder.path.write_text("no database " * 400, encoding="utf-8")
    assert folder.run("deliveries", "list").exit_code == 3

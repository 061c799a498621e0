"""`signalpost deliveries`: its lists and explanations, as text and as JSON."""

import json
import re
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
    assert "Disk" in rows[0]
    assert result.stdout.splitlines()[-1] == "2 pending"


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
    assert listed("--since", "1h", "--state", "dead") == []
    *_, counts = folder.run("deliveries", "list", "--since", "1h", "--state", "dead").stdout.splitlines()
    assert counts == "1 pending, 1 suppressed"


def test_an_empty_store_is_reported_in_one_line(folder: Folder) -> None:
    folder.apply()
    assert len(folder.run("deliveries", "list").stdout.splitlines()) == 1
    assert folder.run("deliveries", "list", "--json").stdout == ""


def test_a_line_of_json_has_every_fact(folder: Folder) -> None:
    ticket = folder.put(alert("a1"))
    (line,) = lines(folder.run("deliveries", "list", "--json").stdout)
    assert list(line) == [
        *("ticket", "destination", "turn", "key", "state", "priority", "accepted_at", "valid_until", "not_before"),
        *("attempts", "may_repeat", "reason", "rule", "message_id"),
    ]
    assert (line["ticket"], line["key"], line["not_before"]) == (ticket, "a1 new", None)


def test_show_has_the_message_row_and_every_attempt(folder: Folder) -> None:
    ticket = folder.put(alert("a1"))
    folder.end(folder.lease(), DeliveryState.DELIVERED, "77", may_repeat=True)
    shown = folder.run("deliveries", "show", ticket).stdout.splitlines()
    facts = ((f"{ticket}@alerts-general", "delivered"), ("a1 new", "NORMAL"), ("77",))
    for line, expected in zip(shown, facts, strict=False):
        assert all(fact in line for fact in expected), line
    assert len(shown) == 5, "one line says that it may repeat"
    assert all(fact in shown[4] for fact in ("1.", "09:30:00 UTC", "60.000 s", "delivered", "200"))
    (plain,) = lines(folder.run("deliveries", "show", "a1", "--json").stdout)
    assert plain["message"] == {"message_id": "77", "sent_at": plain["message"]["sent_at"], "version": 1}  # type: ignore[index]
    assert [each["outcome"] for each in plain["history"]] == ["delivered"]  # type: ignore[attr-defined]
    assert plain["may_repeat"] is True


def test_one_without_a_message_shows_none(folder: Folder) -> None:
    ticket = folder.put(alert("a1"), state=DeliveryState.SUPPRESSED, reason="stale")
    first = folder.run("deliveries", "show", ticket).stdout.splitlines()[0]
    assert "suppressed" in first
    assert "stale" in first
    (plain,) = lines(folder.run("deliveries", "show", ticket, "--json").stdout)
    assert (plain["message"], plain["history"]) == (None, [])


def test_why_prints_the_story_as_text_and_as_json(folder: Folder) -> None:
    ticket = folder.put(alert("a1"), ago=HOUR)
    output = folder.run("deliveries", "why", ticket, **GENERAL).stdout.splitlines()
    assert output[0].startswith(ticket)
    assert "alerts-general" in output[4]
    assert "pending" in output[4]
    (plain,) = lines(folder.run("deliveries", "why", ticket, "--json", **GENERAL).stdout)
    assert plain["ticket"] == ticket
    assert [len(plain[part]) for part in ("happened", "next", "todo")] == [1, 2, 1]  # type: ignore[arg-type]
    for part in ("happened", "next", "todo"):
        for sentence in plain[part]:  # type: ignore[attr-defined]
            assert any(line.endswith(sentence) for line in output), sentence
    assert "signalpost serve" in plain["todo"][0]  # type: ignore[index]


def test_why_takes_an_id_or_a_key_and_explains_each_of_its_tickets(folder: Folder) -> None:
    first, second = folder.put(alert("a1")), folder.put(alert("a1"), event="update 1")
    output = folder.run("deliveries", "why", "a1").stdout
    assert output.startswith(first)
    assert f"\n\n{second}" in output
    assert output.count("update 1") > folder.run("deliveries", "why", first).stdout.count("update 1")
    assert folder.run("deliveries", "why", "a1 update 1").stdout.startswith(second)


def test_why_shows_what_is_ahead_and_the_failures_of_the_destination(folder: Folder) -> None:
    for number in range(5):
        folder.put(alert(f"failed {number}"))
        folder.end(folder.lease(), DeliveryState.DEAD, attempt=_failed(number))
    folder.put(alert("before"))
    ticket = folder.put(alert("a1"))
    (plain,) = lines(folder.run("deliveries", "why", ticket, "--json", **GENERAL).stdout)
    output: list[str] = plain["next"]  # type: ignore[assignment]
    numbers = {tuple(sorted(re.findall(r"\d+", each))) for each in output if "alerts-general" in each}
    assert numbers >= {("5",), ("1", "15")}, "5 failures; 1 delivery ahead, at 15 messages a minute"


def test_why_uses_the_webhooks_of_the_running_service(folder: Folder) -> None:
    ticket, other = folder.put(alert("a1")), folder.put(alert("a2"), "community")

    def advice(delivery: str, **environment: str) -> str:
        """The advice, with the variable of a missing webhook or the command that starts a service."""
        (plain,) = lines(folder.run("deliveries", "why", delivery, "--json", **environment).stdout)
        return " ".join(plain["todo"])  # type: ignore[arg-type]

    with closing(SqliteCore(folder.path)) as owner:
        owner.apply([SaveFacts(OWNER, owner_fact(owner.holder or "", ["alerts-general"], {}, None))])
        served, unserved = advice(ticket), advice(other)
        owner.apply([SaveFacts(OWNER, owner_fact(owner.holder or "", ["community"], {}, None))])
        gone = advice(ticket, **GENERAL)
    assert served == ""
    assert "signalpost serve" not in unserved + gone
    assert "community" in unserved
    assert "alerts-general" in gone
    alone = advice(ticket, **GENERAL)
    assert "signalpost serve" in alone, "without a service, this configuration counts"
    assert "alerts-general" not in alone


def _failed(number: int) -> object:
    from signalpost import clock
    from signalpost.domain.delivery import Attempt

    return Attempt(clock.now(), clock.now() + timedelta(seconds=number), "unavailable", "no connection")


@pytest.mark.parametrize(
    ("arguments", "code", "fact"),
    [
        (("list", "--state", "lost"), "unknown-word", "'lost'"),
        (("list", "--limit", "0"), "invalid-value", "--limit"),
        (("list", "--since", "soon"), "invalid-time", "'soon'"),
        (("list", "--priority", "huge"), "unknown-word", "'huge'"),
        (("list", "a1"), "usage", "(a1)"),
        (("show",), "missing", "TICKET"),
        (("show", "a2"), "not-found", "'a2'"),
        (("show", ""), "not-found", "''"),
        (("show", "a1", "a1"), "usage", "(a1)"),
        (("show", "a1", "--limit", "3"), "unknown-option", "--limit"),
        (("why",), "missing", "TICKET"),
        (("why", "a1%"), "not-found", "'a1%'"),
        (("why", "' OR 1=1 --"), "not-found", "' OR 1=1 --"),
        (("why", "a1", "--config", "none.toml"), "not-readable", "none.toml"),
        (("why", "a1", "--state", "dead"), "unknown-option", "--state"),
    ],
)
def test_bad_input_is_exit_code_2_with_a_code(folder: Folder, arguments: tuple[str, ...], code: str, fact: str) -> None:
    folder.put(alert("a1"))
    result = folder.run("deliveries", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert fact in result.stderr
    exit_code, (fault,) = folder.refused("deliveries", *arguments)
    assert (exit_code, fault.code) == (2, code)


def test_a_store_that_cannot_be_read_is_exit_code_3(folder: Folder) -> None:
    for command in (("list",), ("show", "a1"), ("why", "a1")):
        result = folder.run("deliveries", *command)
        assert (result.exit_code, result.stdout) == (3, "")
        exit_code, (fault,) = folder.refused("deliveries", *command)
        assert (exit_code, fault.code) == (3, "no-store-yet")
    folder.path.write_text("no database " * 400, encoding="utf-8")
    assert folder.run("deliveries", "list").exit_code == 3

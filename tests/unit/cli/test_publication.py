"""The output of `signalpost publish` if a notification cannot be delivered or stored."""

import json
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from threading import Event
from time import perf_counter
from typing import Any

import pytest

from signalpost import clock
from signalpost.cli import publication
from signalpost.delivery.outbox.commands import Command, Put
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.domain.delivery import PASSED_ON, Delivery, DeliveryId, DeliveryState
from signalpost.domain.instant import LATEST
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.ticket import Outcome, Ticket
from signalpost.errors import StoreFailed
from tests.surface.errors import Facts
from tests.unit.cli.folder import Folder

ALERT = ("publish", "alert", "--type", "feed", "--severity", "low", "--title", "t")
GONE = {"DISCORD_WEBHOOK_ALERTS_GENERAL": "http://127.0.0.1:9/api/v10/webhooks/g/token-to-hide"}


def test_a_pending_delivery_names_the_command_that_explains_it(folder: Folder) -> None:
    result = folder.run(*ALERT, "--timeout", "1.5", **GONE)
    assert result.exit_code == 1
    first, second = result.stdout.splitlines()
    outcome, ticket = first.split()
    assert outcome == "accepted"
    assert all(fact in second for fact in ("alerts-general", "pending", "ClientConnectorError"))
    assert f"`signalpost deliveries why {ticket}`" in result.stderr


def test_a_signal_for_a_delayed_tier_is_not_waited_for_and_its_time_is_printed(folder: Folder) -> None:
    settings = folder.home / "settings.toml"
    settings.write_text('[tiers.free]\ndelay = "30m"\n')
    webhook = {"DISCORD_WEBHOOK_SIGNALS_FREE": "http://127.0.0.1:9/api/v10/webhooks/f/token-to-hide"}
    signal = ("publish", "signal", "--pair", "EURUSD", "--side", "buy", "--entry", "1.1", "--config", str(settings))
    began = perf_counter()
    as_json = folder.run(*signal, "--id", "s1", "--json", **webhook)
    for_people = folder.run(*signal, "--id", "s2", **webhook)
    assert perf_counter() - began < 25, "30 s are the timeout of one"
    assert (as_json.exit_code, for_people.exit_code, for_people.stderr) == (0, 0, "")
    (delivery,) = json.loads(as_json.stdout)["deliveries"]
    assert delivery["state"] == "pending"
    release = datetime.fromisoformat(delivery["not_before"])
    assert timedelta(minutes=29) < release - clock.now() <= timedelta(minutes=30)
    assert re.search(
        r"signals-free: pending until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$", for_people.stdout, re.MULTILINE
    )


def test_a_dry_run_names_the_sandbox(folder: Folder) -> None:
    result = folder.run(*ALERT, "--no-wait", SIGNALPOST_DRY_RUN="1", **GONE)
    assert result.exit_code == 0
    assert "sandbox" in result.stderr


@pytest.mark.parametrize("options", [(), ("--no-wait",)])
def test_a_notification_that_cannot_be_stored_is_refused_and_not_held(folder: Folder, options: tuple[str, ...]) -> None:
    folder.apply()
    with closing(sqlite3.connect(folder.path)) as db:
        db.execute("CREATE TRIGGER full BEFORE INSERT ON notification BEGIN SELECT raise(ABORT, 'no-room'); END")
    result = folder.run(*ALERT, *options, **GONE)
    assert result.exit_code == 1
    assert result.stdout.startswith("refused")
    assert "no-room" in result.stdout
    as_json = json.loads(folder.run(*ALERT, *options, "--json", **GONE).stdout)
    assert (as_json["outcome"], as_json["code"]) == ("refused", "unstorable")


def test_publish_without_waiting_gives_up_on_a_disk_that_hangs(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.apply()
    answers = Event()

    def hang(*_: Any) -> list[Any]:
        answers.wait(30)
        return []

    monkeypatch.setattr(publication, "_STORE_ANSWERS_WITHIN", 0.1)
    monkeypatch.setattr(SqliteCore, "apply", hang)
    result = folder.run(*ALERT, "--no-wait", **GONE)
    answers.set()
    assert result.exit_code == 3
    assert result.stdout == ""


def test_a_store_that_fails_at_a_put_is_exit_code_3(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.apply()
    apply = SqliteCore.apply

    def fail_at_a_put(core: SqliteCore, batch: Sequence[Command[Any]]) -> list[Any]:
        if any(isinstance(command, Put) for command in batch):
            raise StoreFailed("x")
        return apply(core, batch)

    monkeypatch.setattr(SqliteCore, "apply", fail_at_a_put)
    assert folder.run(*ALERT, **GONE).exit_code == 3


SIGNAL = ("publish", "signal", "--pair", "EURUSD", "--side", "buy", "--entry", "1.1634", "--stop", "1.1599")
FREE = {"DISCORD_WEBHOOK_SIGNALS_FREE": "http://127.0.0.1:9/api/v10/webhooks/f/token-to-hide"}
PREMIUM = {"DISCORD_WEBHOOK_SIGNALS_PREMIUM": "http://127.0.0.1:9/api/v10/webhooks/p/token-to-hide"}
TIERS = ("--tier", "premium", "--tier", "Free", "--tier", "free")


def test_a_signal_for_several_tiers_is_one_answer_with_the_deliveries_of_all(folder: Folder) -> None:
    result = folder.run(*SIGNAL, *TIERS, "--no-wait", "--json", **FREE, **PREMIUM)
    plain = json.loads(result.stdout)
    assert (result.exit_code, plain["outcome"]) == (0, "accepted")
    assert plain["id"]
    assert plain["signal_id"].startswith("manual:EUR_USD:BUY:")
    assert [each["destination"] for each in plain["deliveries"]] == ["signals-premium", "signals-free"]


def test_a_tier_without_a_destination_is_refused_and_the_others_are_accepted(folder: Folder) -> None:
    result = folder.run(*SIGNAL, *TIERS, "--no-wait", "--json", **FREE)
    plain = json.loads(result.stdout)
    assert (result.exit_code, plain["outcome"], plain["code"]) == (1, "refused", "no-destination")
    assert [each["destination"] for each in plain["deliveries"]] == ["signals-free"]
    assert plain["id"], "that of the tier that was accepted"


def test_nothing_is_accepted_if_one_tier_is_invalid(folder: Folder) -> None:
    assert folder.refused(*SIGNAL, "--tier", "free", "--tier", "pre mium", **FREE) == (
        2,
        [Facts("unknown-word", "user_tier", "'pre mium'", None)],
    )
    assert not folder.path.exists()


@pytest.mark.parametrize(
    ("state", "reason", "code"),
    [
        ("dead", f"{PASSED_ON}backup: gone", 0),
        ("unconfirmed", f"{PASSED_ON}backup: gone", 0),
        ("dead", "404", 1),
        ("pending", f"{PASSED_ON}backup: gone", 1),
    ],
)
def test_a_delivery_that_a_fallback_has_is_no_failure(state: str, reason: str, code: int) -> None:
    name = DeliveryId("1", "signals-free")
    ended = Delivery(name, DeliveryState(state), NotificationPriority.NORMAL, 0, "s", LATEST, reason=reason)
    assert publication.exit_code(Ticket(Outcome.ACCEPTED, "1"), [ended], waited=True) == code

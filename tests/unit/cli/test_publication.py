"""What `signalpost publish` says of what it could not deliver, or not write down."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from threading import Event
from typing import Any

import pytest

from signalpost.cli import publication
from signalpost.delivery.outbox.commands import Command, Put
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.errors import StoreFailed
from tests.unit.cli.folder import Folder

ALERT = ("publish", "alert", "--type", "feed", "--severity", "low", "--title", "t")
GONE = {"DISCORD_WEBHOOK_ALERTS_GENERAL": "http://127.0.0.1:9/api/v10/webhooks/g/token-to-hide"}


def test_what_is_not_delivered_yet_names_the_command_that_tells_why(folder: Folder) -> None:
    result = folder.run(*ALERT, "--timeout", "0.2", **GONE)
    assert result.exit_code == 1
    ticket = result.stdout.split()[1]
    assert result.stdout.startswith(f"accepted {ticket}\n  alerts-general: pending: no connection: ")
    assert result.stderr == f"not delivered yet; `signalpost deliveries why {ticket}` tells why\n"


def test_a_dry_run_says_where_it_goes(folder: Folder) -> None:
    result = folder.run(*ALERT, "--no-wait", SIGNALPOST_DRY_RUN="1", **GONE)
    assert result.exit_code == 0
    assert result.stderr == "dry run: it goes to the sandbox\n"


@pytest.mark.parametrize("options", [(), ("--no-wait",)])
def test_what_a_store_does_not_take_is_refused_and_never_held_by_a_command_that_ends(
    folder: Folder, options: tuple[str, ...]
) -> None:
    folder.apply()
    with closing(sqlite3.connect(folder.path)) as db:
        db.execute("CREATE TRIGGER full BEFORE INSERT ON notification BEGIN SELECT raise(ABORT, 'no room'); END")
    result = folder.run(*ALERT, *options, **GONE)
    assert result.exit_code == 1
    assert result.stdout.startswith("refused: it cannot be written: ")
    assert "no room" in result.stdout


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


def test_a_store_that_fails_while_it_takes_something_in_is_exit_code_3(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.apply()
    apply = SqliteCore.apply

    def fail_at_a_put(core: SqliteCore, batch: Sequence[Command[Any]]) -> list[Any]:
        if any(isinstance(command, Put) for command in batch):
            raise StoreFailed("the disk is full")
        return apply(core, batch)

    monkeypatch.setattr(SqliteCore, "apply", fail_at_a_put)
    assert folder.run(*ALERT, **GONE).exit_code == 3

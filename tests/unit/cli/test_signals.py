"""`signalpost signals`: what it reads from the book, and the changes that it puts into it. Nothing is sent."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from signalpost.delivery.outbox.book import Amend
from signalpost.delivery.outbox.commands import Command
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.errors import StoreFailed
from tests.surface.errors import Facts
from tests.unit.cli.folder import Folder

FREE = {"DISCORD_WEBHOOK_SIGNALS_FREE": "http://127.0.0.1:9/api/v10/webhooks/f/token-to-hide"}
GOLD = ("--pair", "XAUUSD", "--side", "sell", "--entry", "2350", "--stop", "2360", "--target", "2340")
EURO = ("--pair", "EURUSD", "--side", "buy", "--entry", "1.1000", "--stop", "1.0950", "--target", "1.1050@50%")


def publish(folder: Folder, *options: str) -> dict[str, Any]:
    return change(folder, "publish", "signal", *options)


def change(folder: Folder, *arguments: str) -> dict[str, Any]:
    """The answer of a command that succeeds."""
    result = run(folder, *arguments)
    assert result.exit_code == 0, result.stdout
    plain: dict[str, Any] = json.loads(result.stdout)
    return plain


def run(folder: Folder, *arguments: str) -> Result:
    return folder.run(*arguments, "--no-wait", "--json", **FREE)


def listed(folder: Folder, *options: str) -> list[dict[str, Any]]:
    result = folder.run("signals", "list", "--json", *options)
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def trade(folder: Folder, name: str = "mine") -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(folder.run("signals", "show", name, "--json").stdout)
    return plain


@pytest.fixture
def book(folder: Folder) -> Folder:
    """A folder with an open signal, an open sale of gold and a pending order."""
    publish(folder, *EURO, "--target", "1.1100@50%", "--id", "mine")
    publish(folder, *GOLD, "--id", "gold")
    publish(folder, *GOLD, "--order", "limit", "--id", "order")
    return folder


def test_signals_are_listed_newest_first_and_filtered_by_all_that_is_given(book: Folder) -> None:
    change(book, "signals", "close", "gold", "--price", "2345")

    def ids(*options: str) -> list[str]:
        return [each["id"] for each in listed(book, *options)]

    assert ids() == ["order", "gold", "mine"]
    assert ids("--limit", "1") == ["order"]
    assert ids("--live") == ["order", "mine"]
    assert ids("--state", "closed", "--state", "OPEN") == ["gold", "mine"]
    assert ids("--pair", "xau/usd", "--limit", "1") == ["order"]
    assert ids("--pair", "EUR_USD", "--state", "closed") == []
    assert book.refused("signals", "list", "--state", "lost")[1][0][:3] == ("unknown-word", "--state", "'lost'")


def test_the_list_is_a_table_for_people(book: Folder) -> None:
    rows = [line.split() for line in book.run("signals", "list").stdout.splitlines() if "_USD" in line]
    assert [row[:5] for row in rows] == [
        ["3", "XAU_USD", "SELL", "pending", "2350.00"],
        ["2", "XAU_USD", "SELL", "open", "2350.00"],
        ["1", "EUR_USD", "BUY", "open", "1.10000"],
    ]


def test_an_empty_list_is_one_line(folder: Folder) -> None:
    folder.apply()
    for options in ((), ("--live",)):
        assert len(folder.run("signals", "list", *options).stdout.splitlines()) == 1
    assert folder.run("signals", "list", "--json").stdout == ""


@pytest.mark.parametrize("name", ["mine", "1", "#1", "EURUSD", "eur/usd"])
def test_a_signal_is_found_by_id_number_and_pair(book: Folder, name: str) -> None:
    assert trade(book, name) == next(each for each in listed(book) if each["id"] == "mine")
    page = book.run("signals", "show", name).stdout
    assert all(fact in page for fact in ("#1 BUY EUR_USD", "mine", "signals-free"))
    (short,) = (word for line in page.splitlines() if "short id" in line for word in line.split()[-1:])
    assert trade(book, short)["id"] == "mine"


def test_an_id_that_is_a_number_comes_before_the_number(book: Folder) -> None:
    publish(book, *EURO, "--id", "2")
    assert [trade(book, name)["id"] for name in ("2", "#2", "#4")] == ["2", "gold", "2"]
    assert change(book, "signals", "close", "2", "--price", "1.1010")["signal_id"] == "2"
    code, faults = book.refused("publish", "signal", *EURO, "--id", "#2", **FREE)
    assert (code, faults[0][:3]) == (2, ("invalid-name", "signal_id", "'#2'"))


@pytest.mark.parametrize("command", [("show",), ("close", "--price", "1"), ("reopen",)])
def test_an_unknown_signal_is_bad_input(book: Folder, command: tuple[str, ...]) -> None:
    code, faults = book.refused("signals", command[0], "nothing", *command[1:], **FREE)
    assert (code, faults) == (2, [Facts("unknown-signal", "id", "'nothing'", None)])


@pytest.mark.parametrize("command", [("show",), ("update", "--note", "x")])
def test_a_pair_with_several_live_signals_is_refused_and_they_are_named(book: Folder, command: tuple[str, ...]) -> None:
    code, faults = book.refused("signals", command[0], "XAUUSD", *command[1:], **FREE)
    assert (code, faults[0][:3]) == (2, ("ambiguous", "id", "'XAUUSD'"))
    assert sorted((faults[0].limit or "").split(", ")) == ["#2 gold", "#3 order"]
    change(book, "signals", "cancel", "order", "--reason", "NFP")
    assert trade(book, "XAUUSD")["id"] == "gold", "only one of them is live now"


def test_an_update_changes_the_trade_and_a_repeat_changes_nothing(book: Folder) -> None:
    update = ("signals", "update", "1", "--target-hit", "1", "--stop", "be", "--note", "CPI soon")
    first, second = change(book, *update), change(book, *update)
    assert (first["outcome"], first["signal_id"], first["version"]) == ("accepted", "mine", 2)
    assert (second["outcome"], second["signal_id"], second["version"]) == ("duplicate", "mine", 2)
    assert first["id"]
    found = trade(book)
    assert (found["version"], found["stop"], found["targets"][0]["hit"]) == (2, "1.1", True)
    assert "CPI soon" in book.run("signals", "show", "mine").stdout


def test_a_part_is_closed_at_its_price(book: Folder) -> None:
    change(book, "signals", "update", "mine", "--close", "25%", "--price", "1.1020", "--take-profit", "1.1060")
    found = trade(book)
    assert found["parts"] == [{"share": "25", "price": "1.102", "reported": True}]
    assert [each["price"] for each in found["targets"]] == ["1.106", "1.11"]


def test_a_change_for_another_version_is_refused(book: Folder) -> None:
    change(book, "signals", "update", "mine", "--note", "x", "--if-version", "1")
    result = run(book, "signals", "update", "mine", "--note", "y", "--if-version", "1")
    plain = json.loads(result.stdout)
    assert (result.exit_code, plain["outcome"], plain["code"]) == (1, "refused", "stale-version")


def test_an_impossible_change_is_refused_with_the_possible_ones(book: Folder) -> None:
    result = run(book, "signals", "close", "mine")
    plain = json.loads(result.stdout)
    assert (result.exit_code, plain["outcome"], plain["code"]) == (1, "refused", "not-possible")
    assert "price" in plain["reason"]
    assert plain["reason"].endswith("Possible now: fill, update, close, correct")
    assert book.run("signals", "cancel", "mine", "--no-wait", **FREE).exit_code == 1


def test_an_end_that_was_a_mistake_is_withdrawn_and_stays_in_the_record(book: Folder) -> None:
    change(book, "signals", "close", "mine", "--reason", "stop")
    assert trade(book)["result"]["r"] == "-1"
    change(book, "signals", "reopen", "mine")
    found = trade(book)
    assert (found["state"], found["closed"], found["flags"]) == ("open", None, ["reopened"])
    assert "stop, 1.09500" in book.run("signals", "show", "mine").stdout


def test_an_order_is_filled_and_a_typo_is_corrected(book: Folder) -> None:
    change(book, "signals", "correct", "order", "--stop", "2361", "--target", "2340@50%", "--target", "2330@50%")
    change(book, "signals", "fill", "order", "--price", "2351")
    found = trade(book, "order")
    assert (found["state"], found["stop"], found["fill"]["price"]) == ("open", "2361", "2351")
    assert [each["share"] for each in found["targets"]] == ["50", "50"]
    assert "corrected" in found["flags"]


def test_all_open_signals_of_a_pair_are_closed_at_one_price(book: Folder) -> None:
    result = run(book, "signals", "close", "--pair", "XAU/USD", "--price", "2345")
    (plain,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert (result.exit_code, plain["outcome"], plain["signal_id"]) == (0, "accepted", "gold")
    assert "#3" in result.stderr, "the order that is not filled stays"
    assert run(book, "signals", "close", "--pair", "EURUSD", "--price", "1.1").stderr == ""
    again = run(book, "signals", "close", "--pair", "XAU/USD", "--price", "2345")
    assert (again.exit_code, again.stdout) == (0, "")
    assert run(book, "signals", "close", "--pair", "GBPUSD", "--price", "1").stderr != ""


def test_all_open_signals_are_closed_where_the_rules_know_a_price(book: Folder) -> None:
    refused = run(book, "signals", "close", "--all")
    assert (refused.exit_code, refused.stdout.count("not-possible")) == (1, 2)
    closed = book.run("signals", "close", "--all", "--reason", "stop", "--no-wait", **FREE)
    assert closed.exit_code == 0
    assert [line.split()[0] for line in closed.stdout.splitlines() if "version 2" in line] == ["accepted"] * 2
    assert [each["state"] for each in listed(book)] == ["pending", "closed", "closed"]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("update", "mine"), ("usage", None)),
        (("update", "mine", "--stop", "be", "--stop", "1"), ("usage", None)),
        (("update", "mine", "--close", "101", "--price", "1"), ("out-of-range", "close")),
        (("update", "mine", "--close", "50"), ("missing", "price")),
        (("update", "mine", "--price", "1"), ("missing", "close")),
        (("update", "mine", "--stop", "low"), ("not-a-number", "stop")),
        (("update", "mine", "--target-hit", "0"), ("invalid-value", "--target-hit")),
        (("fill", "mine"), ("missing", "--price")),
        (("fill", "mine", "--price", "nan"), ("not-a-number", "price")),
        (("close",), ("usage", None)),
        (("close", "mine", "--all"), ("usage", None)),
        (("close", "--pair", "EURUSD", "--if-version", "1"), ("usage", None)),
        (("close", "--all", "--price", "1"), ("usage", None)),
        (("close", "mine", "--reason", "why"), ("unknown-word", "reason")),
        (("correct", "mine"), ("usage", None)),
        (("correct", "mine", "--target", "0"), ("out-of-range", "target")),
        (("correct", "mine", "--entry", "x"), ("not-a-number", "entry")),
        (("export", "--csv"), ("usage", None)),
    ],
)
def test_bad_input_is_refused_under_the_names_of_the_options(
    folder: Folder, arguments: tuple[str, ...], fault: tuple[str, str | None]
) -> None:
    code, faults = folder.refused("signals", *arguments, **FREE)
    assert (code, [each[:2] for each in faults]) == (2, [fault])
    assert not folder.path.exists()


def test_the_record_is_exported_oldest_first_with_all_its_signals(book: Folder, tmp_path: Path) -> None:
    change(book, "signals", "close", "mine", "--price", "1.1050")
    text = book.run("signals", "export").stdout
    rows = list(csv.DictReader(text.splitlines()))
    assert [(row["id"], row["state"], row["r"]) for row in rows] == [
        ("mine", "closed", "1"),
        ("gold", "open", ""),
        ("order", "pending", ""),
    ]
    lines = [json.loads(line) for line in book.run("signals", "export", "--json").stdout.splitlines()]
    assert [line.pop("links") for line in lines] == [[], [], []]
    assert lines == listed(book)[::-1]
    assert book.run("signals", "export", "--csv", "-o", str(tmp_path / "record.csv")).stdout == ""
    assert (tmp_path / "record.csv").read_text(encoding="utf-8") == text


def test_a_file_that_cannot_be_written_is_bad_input(book: Folder, tmp_path: Path) -> None:
    code, faults = book.refused("signals", "export", "-o", str(tmp_path))
    assert (code, faults) == (2, [Facts("not-writable", "--output", str(tmp_path), None)])


def test_reading_needs_a_store(folder: Folder) -> None:
    for command in (("list",), ("show", "mine"), ("export",)):
        code, faults = folder.refused("signals", *command)
        assert (code, faults[0].code) == (3, "no-store-yet")


def test_a_store_that_fails_at_a_change_is_exit_code_3(book: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    apply = SqliteCore.apply

    def fail_at_a_change(core: SqliteCore, batch: Sequence[Command[Any]]) -> list[Any]:
        if any(isinstance(command, Amend) for command in batch):
            raise StoreFailed("x")
        return apply(core, batch)

    monkeypatch.setattr(SqliteCore, "apply", fail_at_a_change)
    result = run(book, "signals", "close", "mine", "--price", "1.1")
    assert (result.exit_code, json.loads(result.stdout)["code"]) == (3, "store")


@pytest.mark.parametrize("by_pair", [("EURUSD",), ("--pair", "EUR/USD")])
def test_the_repeat_of_a_close_by_pair_is_a_duplicate(book: Folder, by_pair: tuple[str, ...]) -> None:
    close = ("signals", "close", *by_pair, "--price", "1.1020")
    assert change(book, *close)["outcome"] == "accepted"
    again = change(book, *close)
    assert (again["outcome"], again["signal_id"], again["version"]) == ("duplicate", "mine", 2)
    assert run(book, "signals", "close", "EURUSD", "--price", "1.1030").exit_code == 2
    assert run(book, "signals", "close", "--pair", "EURUSD", "--price", "1.1030").stdout == ""
    for unknown in ("nobody-called-this", "no pair at all"):
        assert run(book, "signals", "close", unknown, "--price", "1.1020").exit_code == 2
    publish(book, *EURO, "--id", "newer")
    assert change(book, *close)["signal_id"] == "newer"

"""`signalpost signals recap` reads the book without a service."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from signalpost import Signal
from signalpost.delivery.outbox.book import Amend
from signalpost.delivery.outbox.commands import CardResult, Lease, Message, NewDelivery, NewNotification, Put, Settle
from signalpost.domain.change import Close
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.notification import notification_of
from signalpost.testing.manual_clock import ManualClock
from signalpost.testing.outbox_samples import verdict
from tests.unit.cli.folder import Folder

NOW = datetime(2026, 11, 27, 22, tzinfo=UTC)
"""A Friday, in week 48."""
DAY = timedelta(days=1)
GOLD = {"DISCORD_WEBHOOK_SIGNALS_PREMIUM": "http://127.0.0.1:9/api/v10/webhooks/p/token-to-hide"}


def show(folder: Folder, name: str, price: str | None, at: datetime, lane: str, *, stop: str | None = "1.09") -> None:
    """A signal that was shown a day before `at`, and closed then at this price."""
    known_at = at - DAY
    made = Signal(
        signal_id=name,
        pair="EURUSD",
        timeframe="H4",
        signal_type="BUY",
        entry_price="1.1",
        stop_loss=stop,
        timestamp=known_at,
    )
    opening = notification_of(made, ticket_id=f"{name} 1", accepted_at=known_at)
    folder.apply(Put((NewNotification(opening, (NewDelivery(lane, 0),), known_at + 9 * DAY),)))
    (leased,) = folder.apply(Lease(lane, known_at))
    (entry,) = leased.entries
    shown = verdict(
        entry.delivery,
        DeliveryState.DELIVERED,
        message=Message(lane, f"m{name}", known_at, 1),
        card=CardResult(1, is_edit=False),
    )
    folder.apply(Settle((shown,)))
    if price is not None:
        folder.apply(Amend(name, Close(price=price), at, (f"{name} 2", f"{name} 3")))
        for _ in range(2):
            (leased,) = folder.apply(Lease(lane, at + timedelta(seconds=1)))
            for entry in leased.entries:
                folder.apply(Settle((verdict(entry.delivery, DeliveryState.SUPPRESSED),)))


@pytest.fixture
def book(folder: Folder) -> Folder:
    for name, price, ago, lane in (
        ("won", "1.12", 0, "signals-premium"),
        ("lost", "1.085", 1, "signals-premium"),
        ("free", "1.11", 4, "signals-free"),
        ("before", "1.11", 5, "signals-premium"),
        ("open", None, 0, "signals-premium"),
    ):
        show(folder, name, price, NOW - ago * DAY, lane)
    return folder


def recap(folder: Folder, *options: str, **environment: str) -> dict[str, Any]:
    with ManualClock(NOW + timedelta(hours=1)):
        result = folder.run("signals", "recap", "--json", *options, **environment)
    assert result.exit_code == 0, result.output
    plain: dict[str, Any] = json.loads(result.stdout)
    return plain


def test_without_options_it_is_of_this_week_and_of_all_destinations(book: Folder) -> None:
    found = recap(book)
    assert (found["since"], found["until"]) == ("2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z")
    assert (found["destination"], found["timezone"], found["period"]) == (None, "UTC", "weekly")
    assert (found["wins"], found["losses"], found["open"], found["r"]) == (2, 1, 1, "1.5")
    assert found["per_pair"] == {"EUR_USD": {"wins": 2, "losses": 1, "break_even": 0, "r": "1.5"}}
    assert {"break_even", "not_filled", "not_shown", "no_r", "reported", "both_touched", "worst_run"} <= found.keys()


def test_it_is_of_the_day_week_and_destination_that_are_named(book: Folder) -> None:
    expected = {
        ("--destination", "signals-premium"): (1, 1, "0.5"),
        ("--destination", "signals-free"): (1, 0, "1"),
        ("--day", "2026-11-27"): (1, 0, "2"),
        ("--day", "2026-11-26"): (0, 1, "-1.5"),
        ("--week", "47"): (1, 0, "1"),
        ("--week", "2026-W47"): (1, 0, "1"),
        ("--week", "w48"): (2, 1, "1.5"),
        ("--week", "2025-48"): (0, 0, "0"),
    }
    found = {options: recap(book, *options) for options in expected}
    assert {options: (each["wins"], each["losses"], each["r"]) for options, each in found.items()} == expected


def test_a_week_without_a_year_is_the_newest_that_has_begun(book: Folder) -> None:
    assert recap(book, "--week", "49")["since"] == "2025-12-01T00:00:00Z"
    assert recap(book, "--week", "53")["since"] == "2020-12-28T00:00:00Z"


def test_a_period_that_has_not_begun_is_refused(book: Folder) -> None:
    assert recap(book, "--day", "2026-11-27")["open"] == 1
    for option, value, newest in (
        ("--day", "2026-11-28", "2026-11-27"),
        ("--day", "9998-12-31", "2026-11-27"),
        ("--week", "2026-W49", "2026-W48"),
        ("--week", "2026-W53", "2026-W48"),
        ("--week", "9998-W53", "2026-W48"),
    ):
        with ManualClock(NOW + timedelta(hours=1)):
            result = book.run("signals", "recap", "--json", option, value)
        (fault,) = json.loads(result.stdout)["errors"]
        assert (result.exit_code, fault["field"], fault["value"], fault["code"]) == (
            2,
            option,
            repr(value),
            "invalid-time",
        )
        assert newest in fault["limit"]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
def test_the_first_and_the_last_years_have_recaps_in_every_time_zone(book: Folder, zone: str) -> None:
    settings = book.home / "settings.toml"
    webhook = 'webhook = "http://127.0.0.1:9/api/v10/webhooks/p/token-to-hide"'
    settings.write_text(f'[destinations.signals-premium]\n{webhook}\nrecap_timezone = "{zone}"\nrecap_hour = 23')
    settings.chmod(0o600)
    options = ("--destination", "signals-premium", "--config", str(settings))
    for period in ("--day=0002-01-01", "--week=0002-W01"):
        recap(book, period, *options)
    for period in ("--day=9998-12-31", "--week=9998-W53"):
        assert book.run("signals", "recap", period, *options).exit_code == 2


def test_a_destination_has_days_of_its_own(book: Folder) -> None:
    settings = book.home / "settings.toml"
    webhook = 'webhook = "http://127.0.0.1:9/api/v10/webhooks/p/token-to-hide"'
    days = 'recap_timezone = "America/New_York"\nrecap_hour = 17'
    settings.write_text(f"[destinations.signals-premium]\n{webhook}\n{days}")
    settings.chmod(0o600)
    options = ("--destination", "signals-premium", "--config", str(settings))
    found = recap(book, *options, "--day", "2026-11-28")
    assert (found["since"], found["timezone"], found["wins"]) == ("2026-11-27T22:00:00Z", "America/New_York", 1)
    assert recap(book, *options, "--day", "2026-11-27")["wins"] == 0
    with ManualClock(NOW):
        text = book.run("signals", "recap", *options).stdout
    assert "America/New_York until 17:00" in text


def test_the_table_has_every_pair_the_sum_and_what_is_not_in_it(book: Folder) -> None:
    show(book, "bare", "1.2", NOW - 3 * DAY, "signals-premium", stop=None)
    with ManualClock(NOW + timedelta(hours=1)):
        text = book.run("signals", "recap").stdout
    facts = ("1 still open", "1 without R", "4 with a reported price")
    assert all(part in text for part in ("EUR_USD", "+1.50", "2026-11-23 to 2026-11-29", *facts))
    with ManualClock(NOW):
        of_a_day = book.run("signals", "recap", "--day", "2026-11-27", "--destination", "signals-free")
    assert "2026-11-27 (UTC), signals-free" in of_a_day.stdout


def test_30_trades_have_a_win_rate(folder: Folder) -> None:
    for number in range(30):
        show(folder, f"s{number}", "1.12" if number else "1.08", NOW, "signals-premium")
    with ManualClock(NOW):
        assert "win rate 96.67%" in folder.run("signals", "recap").stdout


@pytest.mark.parametrize(
    ("options", "field", "code"),
    [
        (("--day", "27.11.2026"), "--day", "invalid-time"),
        (("--week", "54"), "--week", "invalid-time"),
        (("--week", "2025-W53"), "--week", "invalid-time"),
        (("--week", "next"), "--week", "invalid-time"),
        (("--day", "0001-01-01"), "--day", "invalid-time"),
        (("--day", "9999-12-31"), "--day", "invalid-time"),
        (("--week", "0001-W01"), "--week", "invalid-time"),
        (("--week", "9999-W52"), "--week", "invalid-time"),
        (("--destination", "signals-gold"), "--destination", "unknown-word"),
    ],
)
def test_an_invalid_option_is_refused_with_advice(
    folder: Folder, options: tuple[str, ...], field: str, code: str
) -> None:
    show(folder, "won", "1.12", NOW, "signals-premium")
    result = folder.run("signals", "recap", "--json", *options)
    (fault,) = json.loads(result.stdout)["errors"]
    assert (result.exit_code, fault["field"], fault["code"]) == (2, field, code)
    assert fault["limit"]


def test_a_destination_is_known_by_its_webhook_or_by_its_cards(folder: Folder, book: Folder) -> None:
    assert recap(book, "--destination", "signals-free")["wins"] == 1
    assert recap(book, "--destination", "signals-premium", **GOLD)["wins"] == 1
    assert book.run("signals", "recap", "--day", "2026-11-27", "--week", "48").exit_code == 2


def test_results_survive_the_deletion_of_their_notifications(book: Folder) -> None:
    before = recap(book, "--destination", "signals-premium")
    with ManualClock(NOW + 20 * DAY):
        assert book.run("purge", "--before", "1h", "--yes").exit_code == 0
    assert json.loads(book.run("deliveries", "list", "--json").stdout or "[]") == []
    assert recap(book, "--destination", "signals-premium") == before

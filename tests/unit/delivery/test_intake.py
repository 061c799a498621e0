import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from signalpost import Alert, InvalidValue, NotificationPriority, SystemStatus, UserTier
from signalpost.delivery.intake import MOST_HELD
from signalpost.delivery.outbox.commands import ForgetKeys, LoadState
from signalpost.delivery.routing import ABOUT_ITSELF, NO_WEBHOOK, Tier
from signalpost.domain.events import StoreMoved, Taken
from signalpost.domain.ledger import StreamState
from signalpost.domain.ticket import Outcome, Refusal
from signalpost.errors import StoreFailed
from signalpost.testing.manual_clock import ManualClock
from signalpost.testing.virtual_loop import run_virtual
from tests.unit.delivery.intake_harness import NOW, IntakeHarness, signal

WHALE = UserTier("whale")


@pytest.fixture(autouse=True)
def clock() -> Iterator[ManualClock]:
    with ManualClock(NOW) as clock:
        yield clock


async def test_an_accepted_signal_is_saved_with_a_delivery_for_its_destination() -> None:
    harness = IntakeHarness()
    ticket = await harness.intake.accept(signal(), user_tier="premium", context={"trend": "up"})
    assert (ticket.outcome, ticket.reason, bool(ticket)) == (Outcome.ACCEPTED, None, True)
    ((delivery, notification, *_),) = await harness.rows()
    assert (delivery.id.notification_id, delivery.id.destination) == (ticket.id, "signals-premium")
    assert (delivery.state, delivery.priority) == ("pending", NotificationPriority.NORMAL)
    assert delivery.valid_until == signal().valid_until
    assert (notification.payload, dict(notification.context)) == (signal(), {"trend": "up"})
    assert harness.woken == [(("signals-premium",), NotificationPriority.NORMAL, signal().valid_until)]
    assert harness.events == [Taken(ticket, notification, ("signals-premium",))]


async def test_the_callers_priority_overrides_the_derived_one() -> None:
    harness = IntakeHarness()
    await harness.intake.accept(signal(confidence_score="0.95"))
    await harness.intake.accept(signal(confidence_score="0.95", pair="GBPUSD"), priority="low")
    assert [row.delivery.priority.name for row in await harness.rows()] == ["URGENT", "LOW"]


async def test_the_default_tier_is_free() -> None:
    harness = IntakeHarness()
    await harness.intake.accept(signal())
    assert [row.delivery.id.destination for row in await harness.rows()] == ["signals-free"]


async def test_a_new_signal_without_a_timeframe_is_valid_as_long_as_the_setting_says() -> None:
    harness = IntakeHarness(valid_for=timedelta(minutes=20))
    made = signal(timeframe=None, timestamp=NOW, known_at=NOW)
    await harness.intake.accept(made)
    await harness.intake.accept(made, event="update 1")
    opened, update = [row.notification.payload for row in await harness.rows()]
    assert opened == made.but(valid_until=NOW + timedelta(minutes=20))
    assert update == made


async def test_an_event_of_a_signal_of_the_book_has_its_number() -> None:
    harness = IntakeHarness()
    await harness.intake.accept(signal(pair="GBPUSD"))
    await harness.intake.accept(signal())
    await harness.intake.accept(signal(), event="seen")
    await harness.intake.accept(signal(pair="AUDUSD"), event="seen")
    assert [row.notification.number for row in await harness.rows()] == [1, 2, 2, None]


async def test_a_repeat_is_a_duplicate_with_the_first_id(clock: ManualClock) -> None:
    harness = IntakeHarness()
    first = await harness.intake.accept(signal())
    clock.advance(timedelta(minutes=1))
    again = await harness.intake.accept(signal(created_at=NOW + timedelta(minutes=1)))
    assert (again.outcome, again.id, bool(again)) == (Outcome.DUPLICATE, first.id, True)
    assert len(await harness.rows()) == 1
    assert len(harness.woken) == 1


async def test_an_equal_price_in_another_notation_is_a_duplicate() -> None:
    harness = IntakeHarness()
    await harness.intake.accept(signal(entry_price="1.1"))
    assert (await harness.intake.accept(signal(entry_price="1.100"))).outcome is Outcome.DUPLICATE


async def test_other_content_under_the_same_key_is_refused() -> None:
    harness = IntakeHarness()
    await harness.intake.accept(signal())
    other = await harness.intake.accept(signal(entry_price="1.2"))
    assert (other.outcome, other.id, other.cause, bool(other)) == (Outcome.REFUSED, "", Refusal.CONFLICT, False)
    assert "signal:EUR_USD:H4:BUY:20260105T120000Z new" in (other.reason or ""), "it names the key"


async def test_another_event_of_the_same_signal_is_accepted() -> None:
    harness = IntakeHarness()
    await harness.intake.accept(signal())
    assert (await harness.intake.accept(signal(current_price="1.2"), event="update 1")).outcome is Outcome.ACCEPTED
    assert [row.notification.event for row in await harness.rows()] == ["new", "update 1"]
    assert len({row.delivery.sequence for row in await harness.rows()}) == 1


async def test_the_key_of_a_candle_signal_lives_a_day_longer_than_the_signal(clock: ManualClock) -> None:
    """And its trade still longer, so that it is opened only once."""
    harness = IntakeHarness()
    await harness.intake.accept(signal())
    clock.set(signal().valid_until + timedelta(hours=24))
    assert await harness.outbox.do(ForgetKeys(clock.now())) == ""
    fresh = {"valid_until": NOW + timedelta(days=9)}
    assert (await harness.intake.accept(signal(**fresh))).outcome is Outcome.DUPLICATE


async def test_another_tier_adds_only_the_missing_destinations(clock: ManualClock) -> None:
    """Destinations that have the signal do not get it again."""
    harness = IntakeHarness()
    first = await harness.intake.accept(signal())
    added = await harness.intake.accept(signal(), user_tier="premium")
    assert (first.outcome, added.outcome) == (Outcome.ACCEPTED, Outcome.ACCEPTED)
    assert [(row.delivery.id.destination, str(row.notification.user_tier)) for row in await harness.rows()] == [
        ("signals-free", "free"),
        ("signals-premium", "premium"),
    ]
    assert harness.woken[-1][0] == ("signals-premium",)
    for tier in ("free", "premium"):
        assert (await harness.intake.accept(signal(), user_tier=tier))[:2] == (Outcome.DUPLICATE, first.id)
    other = await harness.intake.accept(signal(entry_price="1.2"), user_tier="premium")
    assert (other.outcome, other.code) == (Outcome.REFUSED, "conflict")


async def test_a_stale_signal_is_added_to_no_destination(clock: ManualClock) -> None:
    harness = IntakeHarness()
    await harness.intake.accept(signal())
    clock.set(signal().valid_until)
    assert (await harness.intake.accept(signal(), user_tier="premium")).outcome is Outcome.DUPLICATE
    assert len(await harness.rows()) == 1


async def test_the_keys_of_other_notifications_live_seven_days(clock: ManualClock) -> None:
    harness = IntakeHarness()
    alert = Alert(alert_type="feed", severity="high", title="t", timestamp=NOW, valid_until=NOW + timedelta(days=30))
    await harness.intake.accept(alert)
    clock.set(NOW + timedelta(days=7) - timedelta(microseconds=1))
    assert (await harness.intake.accept(alert)).outcome is Outcome.DUPLICATE
    await harness.outbox.do(ForgetKeys(clock.now()))
    assert (await harness.intake.accept(alert)).outcome is Outcome.DUPLICATE
    clock.advance(timedelta(microseconds=1))
    await harness.outbox.do(ForgetKeys(clock.now()))
    assert (await harness.intake.accept(alert)).outcome is Outcome.ACCEPTED


async def test_signals_of_a_replay_have_their_own_keys() -> None:
    harness = IntakeHarness(run="replay-1")
    await harness.intake.accept(signal())
    ((_, notification, *_),) = await harness.rows()
    assert notification.key == "replay-1/signal:EUR_USD:H4:BUY:20260105T120000Z new"


async def test_a_signal_without_any_webhook_is_refused_and_not_saved() -> None:
    harness = IntakeHarness("signals-free")
    ticket = await harness.intake.accept(signal(), user_tier="premium")
    assert (ticket.outcome, ticket.id, ticket.cause) == (Outcome.REFUSED, "", Refusal.NO_DESTINATION)
    assert await harness.rows() == []
    assert harness.events[0].ticket is ticket  # type: ignore[union-attr]


async def test_a_tier_without_a_destination_is_refused() -> None:
    ticket = await IntakeHarness().intake.accept(signal(), user_tier="whale")
    assert (ticket.outcome, ticket.id, ticket.cause) == (Outcome.REFUSED, "", Refusal.NO_DESTINATION)


async def test_a_destination_without_a_webhook_is_suppressed_beside_others() -> None:
    harness = IntakeHarness("whales", tiers={WHALE: Tier(30, ("whales", "archive"))})
    ticket = await harness.intake.accept(signal(), user_tier=WHALE)
    assert ticket.outcome is Outcome.ACCEPTED
    states = {row.delivery.id.destination: (row.delivery.state, row.delivery.reason) for row in await harness.rows()}
    assert states == {"whales": ("pending", None), "archive": ("suppressed", NO_WEBHOOK)}
    assert harness.woken == [(("whales",), NotificationPriority.NORMAL, signal().valid_until)]


async def test_a_stale_signal_is_recorded_and_never_sent(clock: ManualClock) -> None:
    harness = IntakeHarness()
    late = signal()
    clock.set(late.valid_until)
    ticket = await harness.intake.accept(late)
    assert (ticket.outcome, bool(ticket)) == (Outcome.SUPPRESSED, True)
    assert "2026-01-05T20:00:00Z" in (ticket.reason or "")
    assert [row.delivery.state for row in await harness.rows()] == ["suppressed"]
    assert harness.woken == []


async def test_an_alert_about_its_only_destination_is_suppressed() -> None:
    harness = IntakeHarness("alerts-critical")
    alert = Alert(alert_type="feed", severity="high", title="t")
    ticket = await harness.intake.accept(alert, about="alerts-critical")
    assert (ticket.outcome, ticket.reason) == (Outcome.SUPPRESSED, ABOUT_ITSELF)


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (
            {"payload": "BUY EURUSD"},
            ("wrong-kind", "payload", "str", "Signal, Alert, MarketAnalysis, SystemStatus, Announcement"),
        ),
        ({"priority": "soon"}, ("unknown-word", "priority", "'soon'", "LOW, NORMAL, HIGH, URGENT")),
        ({"user_tier": "a b"}, ("unknown-word", "user_tier", "'a b'", None)),
        ({"context": {"": 1}}, ("missing", "a name in the context", None, None)),
        ({"event": None}, ("not-text", "event", "None", None)),
        ({"event": 5}, ("not-text", "event", "5", None)),
        ({"event": " "}, ("missing", "event", None, None)),
        ({"event": "x" * 1000}, ("too-long", "event", f"'{'x' * 56}...", "200")),
        ({"about": 5}, ("not-text", "about", "5", None)),
    ],
)
async def test_invalid_arguments_are_raised(arguments: dict[str, Any], facts: tuple[str | None, ...]) -> None:
    harness = IntakeHarness()
    with pytest.raises(InvalidValue) as refused:
        await harness.intake.accept(**{"payload": signal(), **arguments})
    (fault,) = refused.value.errors
    assert (fault.code, fault.field, fault.value, fault.limit) == facts
    assert await harness.rows() == []


async def test_text_that_cannot_be_encoded_is_accepted() -> None:
    harness = IntakeHarness()
    ticket = await harness.intake.accept(signal(notes="\ud800"), event="\ud800", about="\ud800")
    assert ticket.outcome is Outcome.ACCEPTED


async def test_the_state_of_a_stream_is_committed_with_its_signals() -> None:
    harness = IntakeHarness()
    state = StreamState("EUR_USD_H4", "print", NOW, b"{}")
    tickets = await harness.intake.commit(state, [signal(), signal(pair="GBPUSD")], ["premium"])
    assert [ticket.outcome for ticket in tickets] == [Outcome.ACCEPTED, Outcome.ACCEPTED]
    assert await harness.outbox.do(LoadState("EUR_USD_H4")) == state
    assert [row.delivery.id.destination for row in await harness.rows()] == ["signals-premium"] * 2


async def test_the_state_of_a_stream_is_committed_even_if_its_signals_have_no_destination() -> None:
    harness = IntakeHarness("system-status")
    state = StreamState("EUR_USD_H4", "print", NOW, b"{}")
    assert [ticket.outcome for ticket in await harness.intake.commit(state, [signal()])] == [Outcome.REFUSED]
    assert await harness.outbox.do(LoadState("EUR_USD_H4")) == state


async def test_a_stream_does_not_advance_while_the_store_fails() -> None:
    harness = IntakeHarness()
    harness.outbox.fails = True
    with pytest.raises(StoreFailed):
        await harness.intake.commit(StreamState("EUR_USD_H4", "print", NOW, b"{}"), [signal()])
    assert harness.intake.held == 0


def test_notifications_are_held_in_order_while_the_store_fails_and_saved_afterwards() -> None:
    async def scenario() -> None:
        harness = IntakeHarness()
        harness.outbox.fails = True
        held = [await harness.intake.accept(SystemStatus(status=f"s{n}")) for n in range(3)]
        assert {ticket.outcome for ticket in held} == {Outcome.HELD}
        assert (held[0].reason, bool(held[0]), harness.intake.held) == ("the disk is full", True, 3)
        await asyncio.sleep(5)
        harness.outbox.fails = False
        behind = await harness.intake.accept(SystemStatus(status="s3"))
        assert behind.outcome is Outcome.HELD, "it does not overtake those that wait"
        await asyncio.sleep(1)
        assert harness.intake.held == 0
        assert [row.delivery.id.notification_id for row in await harness.rows()] == [t.id for t in [*held, behind]]
        moves = [event for event in harness.events if isinstance(event, StoreMoved)]
        assert moves == [StoreMoved(False, "the disk is full"), StoreMoved(True)]
        assert len(harness.woken) == 4

    run_virtual(scenario())


def test_a_full_memory_refuses_more_notifications() -> None:
    async def scenario() -> None:
        harness = IntakeHarness()
        harness.outbox.fails = True
        for n in range(MOST_HELD):
            await harness.intake.accept(SystemStatus(status=f"s{n}"))
        more = await harness.intake.accept(SystemStatus(status="more"))
        assert (more.outcome, more.id, more.cause, bool(more)) == (Outcome.REFUSED, "", Refusal.TOO_MANY, False)
        assert str(MOST_HELD) in (more.reason or "")
        assert await harness.intake.close() == MOST_HELD

    run_virtual(scenario())


def test_a_notification_that_may_not_be_held_is_refused_and_not_kept() -> None:
    async def scenario() -> None:
        harness = IntakeHarness()
        harness.outbox.fails = True
        ticket = await harness.intake.accept(SystemStatus(status="now"), hold=False)
        assert (ticket.outcome, ticket.id, ticket.cause) == (Outcome.REFUSED, "", Refusal.STORE)
        await harness.intake.accept(SystemStatus(status="now"), hold=False)
        harness.outbox.fails = False
        assert (await harness.intake.accept(SystemStatus(status="later"), hold=False)).outcome is Outcome.ACCEPTED
        assert (harness.intake.held, len(await harness.rows())) == (0, 1)
        moves = [event for event in harness.events if isinstance(event, StoreMoved)]
        assert moves == [StoreMoved(False, "the disk is full"), StoreMoved(True)]

    run_virtual(scenario())


def test_a_refusal_needs_no_store() -> None:
    async def scenario() -> None:
        harness = IntakeHarness("signals-free")
        harness.outbox.fails = True
        await harness.intake.accept(signal())
        assert (await harness.intake.accept(signal(), user_tier="premium")).outcome is Outcome.REFUSED
        await harness.intake.close()

    run_virtual(scenario())


def test_close_tries_once_more_to_save_held_notifications() -> None:
    async def scenario() -> None:
        harness = IntakeHarness()
        harness.outbox.fails = True
        await harness.intake.accept(signal())
        harness.outbox.fails = False
        assert await harness.intake.close() == 0
        assert len(await harness.rows()) == 1
        assert await IntakeHarness().intake.close() == 0

    run_virtual(scenario())


@pytest.mark.parametrize(
    "fields",
    [{"status": "CLOSED"}, {"status": "CANCELLED"}, {"status": "EXPIRED"}, {"status": "FILLED", "order": "limit"}],
)
async def test_a_new_signal_that_has_ended_is_rejected(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue) as caught:
        await IntakeHarness().intake.accept(signal(**fields))
    assert (caught.value.field, caught.value.code) == ("status", "not-live")
    assert await IntakeHarness().intake.accept(signal(**fields), event="closed")


async def test_a_new_signal_whose_id_could_be_a_number_of_another_is_rejected() -> None:
    with pytest.raises(InvalidValue) as caught:
        await IntakeHarness().intake.accept(signal(signal_id="#1042"))
    assert (caught.value.field, caught.value.code) == ("signal_id", "invalid-name")
    for name in ("1042", "#", "#1a", "a#1", "##1"):
        assert await IntakeHarness().intake.accept(signal(signal_id=name)), name


async def test_the_words_for_versions_are_not_events_of_callers() -> None:
    with pytest.raises(InvalidValue) as caught:
        await IntakeHarness().intake.accept(signal(), event="v2")
    assert (caught.value.field, caught.value.code) == ("event", "reserved")

"""A service changes the signals of its book, and refuses in the ticket what is not possible."""

from datetime import timedelta
from unittest.mock import patch

import msgspec
import pytest

from signalpost import AsyncNotificationService, InvalidValue, Outcome, Refusal, Signal, SignalNotificationService
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from signalpost.domain.trade import Trade, TradeState
from signalpost.errors import StoreClosed, StoreFailed
from signalpost.sandbox.server import Sandbox
from tests.unit.service.conftest import ConfigFor, shown, signal

pytestmark = pytest.mark.usefixtures("news_leaves_soon")

STOP = {"stop_loss": "1.1600", "targets": ["1.1700", "1.1800"]}


async def trade(service: AsyncNotificationService, name: Signal | str) -> Trade:
    entry = await service.signal(name)
    assert entry is not None
    return entry.trade


async def test_a_ticket_has_the_id_and_the_version(config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()) as service:
        one = signal(**STOP)
        opened = await service.send_signal_async(one)
        assert (opened.signal_id, opened.version) == (one.signal_id, 1)
        hit = await service.update_signal(one, target_hit=1, stop_loss="be")
        assert (hit.outcome, hit.signal_id, hit.version) == (Outcome.ACCEPTED, one.signal_id, 2)
        assert [each.id.destination for each in await service.deliveries(hit.id)]
        again = await service.update_signal("#1", target_hit=1, stop_loss="be")
        assert (again.outcome, again.signal_id, again.version) == (Outcome.DUPLICATE, one.signal_id, 2)
        closed = await service.close_signal(one.signal_id, reason="stop", if_version=2)
        assert (closed.outcome, closed.version) == (Outcome.ACCEPTED, 3)
        assert (await service.reopen_signal(one)).version == 4
        made = await trade(service, one)
        assert (made.state, made.hits, len(made.withdrawn)) == (TradeState.OPEN, 1, 1)


async def test_a_signal_without_a_timeframe_is_valid_as_long_as_the_setting_says(config_for: ConfigFor) -> None:
    config = msgspec.structs.replace(config_for(), valid_for=timedelta(minutes=30))
    async with AsyncNotificationService(config) as service:
        await service.send_signal_async(made := signal(timeframe=None, pair="BTC/USDT"))
        assert (await trade(service, made)).signal.valid_until == made.known_at + timedelta(minutes=30)


async def test_an_order_is_corrected_filled_and_another_cancelled(config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()) as service:
        first, second = signal(order="limit", signal_id="1", **STOP), signal(order="limit", signal_id="2", **STOP)
        await service.send_signal_async(first)
        await service.send_signal_async(second)
        assert (await service.correct_signal("1", entry_price="1.1630")).version == 2
        assert (await service.fill_signal("1", price="1.1631")).version == 3
        assert (await service.cancel_signal("2", reason="news")).version == 2
        live = await service.signals(only_live=True)
        assert [entry.trade.signal.signal_id for entry in live] == ["1"]
        assert [entry.trade.signal.signal_id for entry in await service.signals()] == ["2", "1"]
        assert [entry.trade.signal.signal_id for entry in await service.signals(limit=1)] == ["2"]


async def test_a_refusal_is_a_ticket(config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()) as service:
        one = signal(**STOP)
        assert (await service.close_signal(one, price=1)).cause is Refusal.UNKNOWN_SIGNAL
        assert await service.signal(one) is None
        await service.send_signal_async(one)
        assert (await service.cancel_signal(one)).cause is Refusal.NOT_POSSIBLE
        assert (await service.update_signal(one, note="n", if_version=2)).cause is Refusal.STALE_VERSION
        assert (await trade(service, one)).version == 1


@pytest.mark.parametrize("name", ["EURUSD", "1"])
async def test_an_id_that_is_not_in_the_book_finds_no_other_signal(config_for: ConfigFor, name: str) -> None:
    async with AsyncNotificationService(config_for()) as service:
        await service.send_signal_async(signal(**STOP))
        one = signal(signal_id=name)
        assert await service.signal(one) is None
        assert (await service.close_signal(one, price="1.17")).cause is Refusal.UNKNOWN_SIGNAL
        assert (await service.close_signal(name, price="1.17")).cause is Refusal.UNKNOWN_SIGNAL
        (entry,) = await service.signals()
        assert entry.trade.version == 1


async def test_without_a_run_changes_are_refused_and_reading_is_an_error(config_for: ConfigFor) -> None:
    service = AsyncNotificationService(config_for())
    assert (await service.close_signal("1", price=1)).cause is Refusal.NOT_RUNNING
    with pytest.raises(StoreClosed):
        await service.signals()
    with pytest.raises(StoreClosed):
        await service.signal("1")
    with pytest.raises(InvalidValue):
        service.update_signal("1")


async def test_the_life_of_a_signal_by_its_events(config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()) as service:
        notifications = SignalNotificationService(service)
        one = signal(order="limit", **STOP)
        opened = await notifications.signal_generated(one, tiers=["premium", "free"], good_for="36h")
        assert opened.outcome is Outcome.ACCEPTED
        assert (await notifications.signal_filled(one, price="1.1634")).version == 2
        assert (await notifications.signal_updated(one, note="n")).version == 3
        assert (await notifications.signal_closed(one, price="1.1700", if_version=3)).version == 4
        found = await trade(service, one)
        assert found.tiers == ("premium", "free")
        assert found.signal.good_until == one.timestamp + timedelta(hours=4 + 36)


async def test_a_reported_event_changes_a_signal_of_the_book(config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()) as service:
        one = signal(**STOP)
        await service.send_signal_async(one)
        with pytest.deprecated_call():
            moved = await service.queue_notification(one.but(stop_loss="1.1610"), event="update 1")
        assert (moved.outcome, moved.version) == (Outcome.ACCEPTED, 2)
        with pytest.deprecated_call():
            closed = await service.queue_notification(one.at_price("1.1700"), event="closed")
        assert (closed.outcome, closed.version) == (Outcome.ACCEPTED, 3)
        made = await trade(service, one)
        assert (made.state, str(made.stop), made.parts[0].price) == (TradeState.CLOSED, "1.1610", one.targets[0].price)


async def test_an_event_of_an_unknown_signal_is_a_message(sandbox: Sandbox, config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()) as service:
        other = signal(signal_id="other")
        await service.send_signal_async(other)
        one = signal(signal_id="#1")  # which is not the id of the other one
        with pytest.deprecated_call():
            ticket = await service.queue_notification(one.close("target"), event="closed")
        assert (ticket.outcome, ticket.version) == (Outcome.ACCEPTED, None)
        assert await service.drain(30) == []
        assert len(shown(sandbox, "signals-free")) == 2
        assert (await trade(service, other)).state is TradeState.OPEN


async def test_an_event_is_a_message_if_the_book_cannot_be_read_or_has_no_such_change(config_for: ConfigFor) -> None:
    async with AsyncNotificationService(config_for()) as service:
        one = signal()
        await service.send_signal_async(one)
        with pytest.deprecated_call():
            other = await service.queue_notification(one, event="seen")
        with pytest.deprecated_call(), patch.object(ThreadedOutbox, "do", side_effect=StoreFailed("full")):
            unread = await service.queue_notification(one, event="closed")
        assert (other.outcome, unread.outcome) == (Outcome.ACCEPTED, Outcome.HELD)
        assert (await trade(service, one)).version == 1
        with pytest.deprecated_call(), pytest.raises(InvalidValue):
            await service.queue_notification(one, event="")

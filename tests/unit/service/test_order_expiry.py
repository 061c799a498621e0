"""A limit or stop order that was not filled in time expires, visibly, and takes no more changes."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from signalpost import AsyncNotificationService
from signalpost.delivery.outbox.book import FindTrades
from signalpost.domain.change import ExpireOrder, Fill, Update
from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Outcome, Refusal
from signalpost.domain.trade import Trade, TradeState
from signalpost.service import order_expiry
from signalpost.testing.manual_clock import ManualClock
from tests.unit.delivery.intake_harness import NOW, IntakeHarness
from tests.unit.delivery.intake_harness import signal as signal_of_intake
from tests.unit.service.conftest import ConfigFor, signal
from tests.until import until

ORDER = {"order": "limit", "stop_loss": "1.09", "targets": ["1.12"], "signal_id": "order"}


@pytest.fixture
def clock() -> Iterator[ManualClock]:
    with ManualClock(NOW) as manual:
        yield manual


def is_followed(signal: Signal) -> bool:
    return signal.signal_id.startswith("followed")


async def trades(harness: IntakeHarness) -> dict[str, Trade]:
    return {each.trade.signal.signal_id: each.trade for each in await harness.intake.find(FindTrades())}


async def test_an_overdue_order_expires_at_its_time(clock: ManualClock) -> None:
    harness = IntakeHarness()
    good_until = NOW + timedelta(minutes=20)
    await harness.intake.accept(signal_of_intake(**ORDER, good_until=good_until))
    await harness.intake.accept(signal_of_intake(**(ORDER | {"signal_id": "later"})))
    await harness.intake.accept(signal_of_intake(**(ORDER | {"signal_id": "market", "order": "market"})))
    await order_expiry.OrderExpiry(harness.intake, is_followed).expire_overdue()
    assert [each.state for each in (await trades(harness)).values()] == ["open", "pending", "pending"]
    clock.advance(timedelta(minutes=21))
    await order_expiry.OrderExpiry(harness.intake, is_followed).expire_overdue()
    found = await trades(harness)
    assert {name: trade.state.value for name, trade in found.items()} == {
        "order": "expired",
        "later": "pending",
        "market": "open",
    }
    assert found["order"].end is not None
    assert found["order"].end.at == good_until


async def test_candles_have_a_day_to_decide_about_an_order_that_is_followed(clock: ManualClock) -> None:
    harness = IntakeHarness()
    until = NOW + timedelta(minutes=20)
    for name in ("followed", "not-followed"):
        await harness.intake.accept(signal_of_intake(**(ORDER | {"signal_id": name}), good_until=until))
    expiry = order_expiry.OrderExpiry(harness.intake, is_followed)
    for passed, expected in ((timedelta(hours=24), "pending"), (timedelta(minutes=20), "expired")):
        clock.advance(passed)
        await expiry.expire_overdue()
        states = {name: trade.state.value for name, trade in (await trades(harness)).items()}
        assert states == {"followed": expected, "not-followed": "expired"}
    end = (await trades(harness))["followed"].end
    assert end is not None
    assert end.at == until


@pytest.mark.parametrize("change", [Fill(price="1.1"), Update(stop_loss="1.08")])
async def test_an_overdue_order_takes_no_change_by_hand(clock: ManualClock, change: Fill | Update) -> None:
    harness = IntakeHarness()
    await harness.intake.accept(signal_of_intake(**ORDER, good_until=NOW + timedelta(minutes=20)))
    clock.advance(timedelta(minutes=20))
    ticket = await harness.intake.amend("order", change)
    assert (ticket.outcome, ticket.cause) == (Outcome.REFUSED, Refusal.NOT_POSSIBLE)
    assert (await harness.intake.amend("order", Update(note="It is over."))).outcome is Outcome.ACCEPTED
    assert (await harness.intake.amend("order", ExpireOrder())).outcome is Outcome.ACCEPTED


async def test_a_service_expires_orders(config_for: ConfigFor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_expiry, "_EVERY", 0.01)
    async with AsyncNotificationService(config_for()) as service:
        order = signal(**(ORDER | {"stop_loss": "1.16", "targets": ["1.17"]}))
        await service.send_signal_async(order.but(good_until=order.known_at + timedelta(seconds=2), valid_until=None))

        async def is_over() -> bool:
            return not await service.signals(only_live=True)

        await until(is_over)
        (entry,) = await service.signals()
        assert entry.trade.state is TradeState.EXPIRED

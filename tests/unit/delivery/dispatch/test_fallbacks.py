"""A lane passes its deliveries on while its destination is gone, or cannot be reached for too long."""

from datetime import timedelta

from signalpost import UserTier
from signalpost.delivery.dispatch.gates import LaneSettings
from signalpost.delivery.routing import Fallbacks
from signalpost.domain.change import Close, Update
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.events import PassedOn, Settled
from signalpost.sinks.evidence import Loss, Rejected
from signalpost.sinks.port import Item
from signalpost.testing.scripted_sink import ScriptedSink
from tests.unit.delivery.dispatch.test_cards import Channel, sent
from tests.unit.delivery.dispatch.world import DOWN, FREE, HERE, HIGH, NORMAL, SILENT, ids, virtual, wait

GONE = Rejected("unknown webhook", status=404, is_gone=True)
ONE, TWO = "there-1", "there-2"
_S = DeliveryState


def after(*names: str, are_last: bool = True) -> Fallbacks:
    return Fallbacks({UserTier.FREE: names, UserTier.PREMIUM: names}, {"announcement": names}, are_last)


class Falling(Channel):
    """Three lanes: HERE falls back to ONE, and then to TWO."""

    def __init__(self, *sinks: ScriptedSink, after_seconds: float = 300.0, are_last: bool = True) -> None:
        super().__init__(*sinks)
        order = [HERE, ONE, TWO][: len(sinks)]
        lanes = {
            name: LaneSettings(
                sink, FREE, fallbacks=after(*order[number:], are_last=are_last), fall_back_after=after_seconds
            )
            for number, (name, sink) in enumerate(self.sinks.items(), start=1)
        }
        bus = self.dispatcher._bus
        self.dispatcher = type(self.dispatcher)(self.outbox, lanes, jitter=lambda: 0.5, bus=bus, host_rate=None)

    def passed(self) -> list[tuple[str, str, str]]:
        """Each delivery that was passed on: its notification, from where, to where."""
        events = self.emitted(PassedOn)
        return [(each.delivery.id.notification_id, each.origin, each.delivery.id.destination) for each in events]


def item(sink: ScriptedSink, number: int = -1) -> Item:
    return sink.sent[number].items[0]


@virtual
async def test_the_message_that_finds_the_webhook_gone_is_passed_on() -> None:
    here, one = ScriptedSink([GONE]), ScriptedSink()
    async with Falling(here, one) as world:
        await world.put("a")
        left = await world.dispatcher.drain(5)
        assert left == ()
        assert (await world.state("a"), await world.state("a", ONE)) == (_S.DEAD, _S.DELIVERED)
        assert not item(one).may_repeat
        assert world.passed() == [("a", HERE, ONE)]
        settled = [each.delivery.state for each in world.emitted(Settled) if each.delivery.id.destination == HERE]
        assert settled == [_S.PENDING, _S.DEAD]


@virtual
async def test_later_messages_go_to_the_next_fallback_that_is_not_gone() -> None:
    here, one, two = ScriptedSink([GONE]), ScriptedSink([GONE]), ScriptedSink()
    async with Falling(here, one, two) as world:
        await world.put("a")
        await world.dispatcher.drain(5)
        await world.put("b")
        await world.dispatcher.drain(5)
        assert ids(two) == ["a", "b"]
        assert world.passed() == [("a", HERE, ONE), ("a", ONE, TWO), ("b", HERE, TWO)]


@virtual
async def test_if_no_fallback_is_there_the_message_ends_and_later_ones_wait() -> None:
    here, one = ScriptedSink([GONE]), ScriptedSink([GONE])
    async with Falling(here, one) as world:
        await world.put("a")
        await wait(1)
        await world.put("b")
        left = await world.dispatcher.drain(5)
        assert [(await world.state("a")), (await world.state("a", ONE))] == [_S.DEAD, _S.DEAD]
        assert [each.id.notification_id for each in left] == ["b"]
        await world.dispatcher.enable(ONE)
        await wait(61)
        assert ids(one) == ["a", "b"]


@virtual
async def test_a_lane_without_fallbacks_ends_what_finds_its_webhook_gone() -> None:
    async with Falling(ScriptedSink([GONE])) as world:
        await world.put("a")
        await world.dispatcher.drain(5)
        assert await world.state("a") == _S.DEAD
        assert world.passed() == []


@virtual
async def test_a_breaker_that_stays_open_passes_on_only_after_its_time_and_marks_what_may_be_shown() -> None:
    here, one = ScriptedSink([SILENT, *[DOWN] * 200], probes=[DOWN] * 200), ScriptedSink()
    async with Falling(here, one, after_seconds=60.0) as world:
        for number in range(6):
            await world.put(f"n{number}")
        await wait(50)
        assert ids(one) == []
        await wait(20)
        assert sorted(ids(one)) == [f"n{number}" for number in range(6)]
        states = [await world.state(f"n{number}") for number in range(6)]
        assert sorted(states) == sorted([_S.UNCONFIRMED, *[_S.DEAD] * 5])
        assert [each.may_repeat for sent in one.sent for each in sent.items].count(True) == 1
        assert {each.ids[0] for each in one.sent if each.items[0].may_repeat} == {
            f"n{number}" for number in range(6) if states[number] == _S.UNCONFIRMED
        }


@virtual
async def test_a_card_moves_with_its_changes_and_companions() -> None:
    here, one = ScriptedSink([lambda: None, GONE]), ScriptedSink()
    async with Falling(here, one) as world:
        await world.open()
        await wait(1)
        assert len(here.sent) == 1
        await world.change(Update(stop_loss="1.0960"))
        await wait(20)
        assert sent(one) == [("v2", False)]
        assert item(one).replaces is Loss.UNREACHABLE
        assert item(one).tier == UserTier.FREE
        await world.change(Close(price="1.1010"))
        world.dispatcher.wake([ONE], NORMAL)
        await wait(5)
        assert sent(one) == [("v2", False), ("v3", True), ("v3 companion", False)]
        assert item(one).card == item(one, 1).card is not None
        assert len(here.sent) == 2


@virtual
async def test_a_companion_waits_at_the_fallback_too_until_its_card_is_posted() -> None:
    here, one = ScriptedSink([lambda: None, GONE]), ScriptedSink([DOWN, DOWN])
    async with Falling(here, one) as world:
        await world.open()
        await wait(1)
        await world.change(Close(price="1.1010"))
        await wait(60)
        assert sent(one) == [("v2", False)] * 3
        (companion,) = [
            each.delivery
            for each in world.emitted(Settled)
            if "companion" in each.delivery.sequence and each.delivery.id.destination == ONE
        ]
        assert companion.state == _S.SUPERSEDED


@virtual
async def test_a_companion_alone_is_passed_on_without_its_card() -> None:
    here, one = ScriptedSink([lambda: None, lambda: None, GONE]), ScriptedSink()
    async with Falling(here, one) as world:
        await world.open()
        await wait(1)
        await world.change(Close(price="1.1010"))
        await wait(5)
        assert sent(here)[:2] == [("new", False), ("v2", True)]
        assert [(each.items[0].notification.event, each.items[0].card) for each in one.sent] == [("v2 companion", None)]
        assert item(one).tier == UserTier.FREE


@virtual
async def test_an_opening_that_was_never_shown_is_a_plain_opening_at_the_fallback() -> None:
    here, one = ScriptedSink([GONE]), ScriptedSink()
    async with Falling(here, one) as world:
        await world.open()
        await wait(2)
        assert sent(one) == [("new", False)]
        assert item(one).replaces is None
        assert item(one).may_repeat is False


@virtual
async def test_a_card_that_moved_to_a_fallback_is_not_shown_twice() -> None:
    """The first channel is enabled again: what it shows is left as it is."""
    here, one = ScriptedSink([lambda: None, GONE]), ScriptedSink()
    async with Falling(here, one) as world:
        await world.open()
        await wait(1)
        await world.change(Update(stop_loss="1.0960"))
        await wait(20)
        await world.dispatcher.enable(HERE)
        await world.change(Close(price="1.1010"))
        world.dispatcher.wake([ONE], NORMAL)
        await wait(5)
        assert len(here.sent) == 2
        assert sent(one)[-1] == ("v3 companion", False)


@virtual
async def test_a_delivery_whose_time_has_come_is_not_passed_on() -> None:
    here, one = ScriptedSink([GONE]), ScriptedSink([GONE])
    async with Falling(here, one) as world:
        await world.put("a")
        await wait(1)
        await world.put("b", valid_for=10)
        await wait(20)
        await world.dispatcher.enable(ONE)
        await wait(timedelta(minutes=2).total_seconds())
        assert await world.state("b") == _S.EXPIRED
        assert ids(one) == ["a"]


@virtual
async def test_a_companion_whose_card_is_being_sent_for_the_first_time_moves_with_it() -> None:
    """The opening is in flight for 15 s, and the newer state replaces it; it is posted by the fallback as it is."""
    latencies = iter([15.0])
    here, one = ScriptedSink([GONE, GONE], latency=lambda: next(latencies, 0.0)), ScriptedSink()
    async with Falling(here, one) as world:
        await world.open()
        await wait(0.5)
        await world.change(Update(stop_loss="1.0960"))
        await world.put("x", HIGH)
        await wait(30)
        assert sent(one) == [("new", False), ("v2", False)]
        assert item(one, 0).notification.id == "x"
        assert await world.state("s1 new") == _S.SUPERSEDED
        ends = [each.delivery for each in world.emitted(Settled) if "companion" in each.delivery.sequence]
        assert [(each.id.destination, each.state) for each in ends] == [(HERE, _S.DEAD), (ONE, _S.SUPERSEDED)]


@virtual
async def test_for_a_program_with_its_own_sender_an_opening_ends_once_no_fallback_can_ever_show_it() -> None:
    here, one = ScriptedSink([GONE]), ScriptedSink([*[DOWN] * 5, GONE], probes=[DOWN] * 5)
    async with Falling(here, one, are_last=False, after_seconds=9999.0) as world:
        for number in range(5):
            await world.put(f"x{number}", to=ONE)
        await wait(1)
        assert world.dispatcher.lanes[ONE].gate.is_open
        await world.open("s")
        await world.put("late", event="update 1")
        await wait(1)
        assert await world.state("s new") == _S.PENDING  # it found the webhook gone, and the fallback may recover
        await world.open("t")
        await wait(3)
        assert await world.state("t new") == _S.PENDING
        await wait(60)
        assert (await world.state("s new"), await world.state("t new")) == (_S.DEAD, _S.DEAD)
        assert await world.state("late") == _S.PENDING
        await world.change(Update(note="changed"), "t")
        await wait(1)
        assert not [each for each in world.emitted(PassedOn) if each.delivery.sequence == "t"]

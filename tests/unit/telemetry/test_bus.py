import asyncio
import signal

import pytest

from signalpost.domain.events import ClockStepped, Event, Listener, StoreMoved, hears
from signalpost.telemetry.bus import Bus

EVENT = ClockStepped(2.0)


class Slow:
    """A listener that takes the given time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self, event: Event) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        loop.time = lambda: now + self.seconds  # type: ignore[method-assign]


async def test_each_listener_gets_each_event_whatever_the_others_raise(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Event] = []

    def cancelled(_: Event) -> None:
        raise asyncio.CancelledError

    def interrupted(_: Event) -> None:
        raise KeyboardInterrupt

    Bus((cancelled,), (interrupted, heard.append)).emit(EVENT)
    await asyncio.sleep(0)
    assert heard == [EVENT]
    logged = [record.getMessage() for record in caplog.records]
    for facts in (
        ("interrupted", "ClockStepped", "KeyboardInterrupt"),
        ("cancelled", "ClockStepped", "CancelledError"),
    ):
        assert any(all(fact in line for fact in facts) for line in logged), facts


async def test_those_that_subscribed_hear_events_before_the_log_until_they_are_forgotten() -> None:
    heard: list[str] = []
    bus = Bus((lambda _: heard.append("ours"),), (lambda _: heard.append("log"),))
    bus.subscribe(lambda _: heard.append("subscribed"))
    bus.emit(EVENT)
    bus.forget_subscribed()
    bus.emit(EVENT)
    assert heard == ["ours", "subscribed", "log", "ours", "log"]


def test_ctrl_c_in_a_listener_ends_the_loop_but_not_the_delivery() -> None:
    went_on = []

    def interrupted(_: Event) -> None:
        raise KeyboardInterrupt

    async def deliver() -> None:
        Bus((interrupted,)).emit(EVENT)
        went_on.append(True)
        await asyncio.Event().wait()

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    loop = asyncio.new_event_loop()
    task = loop.create_task(deliver())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()
    assert went_on == [True]


async def test_a_listener_over_100_ms_is_reported_by_its_name_at_most_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = asyncio.get_running_loop()
    before = loop.time
    try:
        bus = Bus((Slow(0.05),), (Slow(0.15),))
        for _ in range(3):
            bus.emit(EVENT)
        assert [record.args for record in caplog.records] == [("Slow", pytest.approx(150), "ClockStepped")]
        now = loop.time()
        loop.time = lambda: now + 61  # type: ignore[method-assign]
        bus.emit(EVENT)
        assert len(caplog.records) == 2
    finally:
        loop.time = before  # type: ignore[method-assign]


async def test_our_own_listeners_hear_first_in_the_order_in_which_they_came() -> None:
    heard: list[str] = []

    def listener(name: str) -> Listener:
        return lambda _: heard.append(name)

    drain = listener("drain")
    bus = Bus([listener("metrics"), listener("health")], [listener("log"), listener("user")])
    bus.subscribe(listener("tickets"))
    bus.subscribe(drain)
    bus.emit(EVENT)
    assert heard == ["metrics", "health", "tickets", "drain", "log", "user"]
    bus.unsubscribe(drain)
    heard.clear()
    bus.emit(EVENT)
    assert heard == ["metrics", "health", "tickets", "log", "user"]


async def test_a_marked_listener_hears_only_events_of_its_kinds() -> None:
    heard: list[Event] = []
    marked: list[Event] = []

    @hears(StoreMoved)
    def of_the_store(event: Event) -> None:
        marked.append(event)

    bus = Bus((of_the_store,), (heard.append,))
    moved = StoreMoved(is_well=True)
    for event in (EVENT, moved, EVENT):
        bus.emit(event)
    assert (marked, heard) == ([moved], [EVENT, moved, EVENT])
    bus.subscribe(of_the_store)
    bus.emit(moved)
    assert marked == [moved] * 3


async def test_a_users_listener_hears_all_events_whatever_its_attributes_are_called() -> None:
    class Mine:
        kinds = 5

        def __init__(self) -> None:
            self.heard: list[Event] = []

        def __call__(self, event: Event) -> None:
            self.heard.append(event)

    mine = Mine()
    Bus((), (mine,)).emit(EVENT)
    assert mine.heard == [EVENT]

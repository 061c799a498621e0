"""A lease takes as long as a commit, and the gate may close meanwhile."""

import pytest

from signalpost.delivery.outbox.commands import Lease
from signalpost.delivery.pacing.breaker import USUAL
from signalpost.delivery.pacing.limits import Rate
from signalpost.sinks.evidence import Rejected
from signalpost.testing.scripted_sink import ScriptedSink, Step
from tests.unit.delivery.dispatch.world import DOWN, HERE, NORMAL, URGENT, World, ids, throttled, virtual, wait

GONE = Rejected("unknown webhook", is_gone=True)


@pytest.mark.parametrize(
    "meanwhile",
    [throttled(600.0), throttled(600.0, "host"), DOWN, GONE],
    ids=["a wait", "a ban", "an outage", "its end"],
)
def test_deliveries_leased_while_the_destination_closed_are_not_sent_and_use_up_no_attempt(meanwhile: Step) -> None:
    @virtual
    async def run() -> None:
        sink = ScriptedSink([meanwhile], probes=[DOWN] * 1000, latency=0.5)
        settings = {"breaker": USUAL._replace(failures_in_a_row=1)}
        async with World(sink, settings=settings) as world:
            world.outbox.delays[Lease] = 1.0
            await world.put("first")
            await wait(1.0)
            await world.put("second", URGENT)
            await wait(60)
            assert ids(sink) == ["first"]
            second = await world.delivery("second")
            assert (second.state.value, second.attempts, second.may_repeat) == ("pending", 0, False)

    run()


@virtual
async def test_a_lease_longer_than_the_window_of_the_host_disturbs_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = ScriptedSink()
    async with World(sink, host_rate=Rate(50, 1.0)) as world:
        await wait(1)
        world.outbox.delays[Lease] = 3.0
        world.dispatcher.lanes[HERE].wake(NORMAL)
        await wait(2)
        world.dispatcher.lanes[HERE].wake(URGENT)
        await wait(10)
        await world.put("sent")
        await wait(10)
        assert ids(sink) == ["sent"]
        assert caplog.messages == []

"""The dispatcher handles several lanes in their configured order, in every process."""

import pytest

from signalpost.testing.scripted_sink import ScriptedSink
from tests.unit.delivery.dispatch.world import World, throttled, virtual, wait

LANES = 12
"""So many that a set of their names has the configured order by chance once in 479,001,600 hash seeds."""


@virtual
async def test_lanes_look_again_in_their_configured_order_after_an_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    async with World(*(ScriptedSink([throttled(7200.0)]) for _ in range(LANES))) as world:
        looked: list[str] = []
        for name in world.sinks:
            await world.put(to=name)  # every lane gets a wait of two hours
        await wait(5.0)
        for name in world.sinks:
            await world.put(to=name, valid_for=600.0, known=True)
        await wait(599.0)
        for name, lane in world.dispatcher.lanes.items():
            monkeypatch.setattr(lane, "look_again", lambda name=name: looked.append(name))
        await wait(2.0)
        assert looked == list(world.sinks)

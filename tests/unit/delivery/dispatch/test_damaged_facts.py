"""No damaged fact stops a start or a delivery, whatever it contains."""

import asyncio
import json

import pytest

from signalpost.delivery.facts import (
    BAN,
    BREAKER,
    CLOCK,
    NAME,
    OWNER,
    PACE,
    SEEN,
    of_host,
    read_breaker,
    read_owner,
)
from signalpost.delivery.outbox.commands import Namespace, SaveFacts, Subject
from signalpost.delivery.outbox.order import WAIT
from signalpost.testing.manual_clock import ManualClock
from signalpost.testing.scripted_sink import ScriptedSink
from signalpost.testing.virtual_loop import run_virtual
from tests.inline_outbox import InlineOutbox
from tests.unit.delivery.dispatch.world import HERE, FaultyOutbox, World
from tests.unit.delivery.intake_harness import NOW

NAIVE, FAR = "2026-01-05T16:00:00", "9999-12-31T23:59:59Z"
ODD = [
    b"",
    b"\xff\xfe",
    b'"\xff"',
    b"null",
    b"[]",
    json.dumps(NAIVE).encode(),
    json.dumps(FAR).encode(),
    *(
        json.dumps({"at": at, "held_for": seconds, "reason": "r", "ages": [seconds], "open_for": seconds,
                    "probe_in": seconds, "interval": seconds, "attempt_ended": at, "since": at}).encode()
        for at in (NAIVE, FAR)
        for seconds in (1e308, -1e308, 5.0)
    ),
]  # fmt: skip
SUBJECTS = [
    (CLOCK, SEEN),
    (of_host("discord.com"), BAN),
    (Subject(HERE), BREAKER),
    (Subject(HERE), PACE),
    (Subject(HERE), NAME),
    (Subject("first@signals-free", Namespace.DELIVERY), WAIT),
    (OWNER, "routes"),
]


@pytest.mark.parametrize(("subject", "name"), SUBJECTS)
def test_a_start_ignores_a_damaged_fact(subject: Subject, name: str) -> None:
    async def run(value: bytes) -> object:
        outbox = FaultyOutbox()
        await InlineOutbox.do(outbox, SaveFacts(subject, {name: value}))
        world = World(ScriptedSink(), outbox=outbox)
        started = (await asyncio.gather(world.dispatcher.start(), return_exceptions=True))[0]
        await world.dispatcher.stop(0)
        return started

    for value in ODD:
        with ManualClock(NOW):
            found = run_virtual(run(value))
        assert found is None, (value, found)


@pytest.mark.parametrize("value", ODD)
def test_an_unreadable_owner_or_breaker_is_none_or_bounded(value: bytes) -> None:
    assert read_owner({"routes": value}) is None
    memory = read_breaker({BREAKER: value}, NOW)
    assert memory is None or (0 <= memory.probe_in <= 86_400 and 0 <= memory.interval <= 86_400)

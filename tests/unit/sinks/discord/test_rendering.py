"""A message that cannot be built is rejected before anything is sent, and times that cause this are invalid."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from signalpost import InvalidValue
from signalpost.domain.delivery import Delivery
from signalpost.sinks.discord import message
from signalpost.sinks.discord.address import WebhookAddress
from signalpost.sinks.discord.cards.look import Look
from signalpost.sinks.discord.webhook import DiscordWebhook
from signalpost.sinks.evidence import Rejected
from signalpost.sinks.port import Item
from signalpost.sinks.wire import Connections
from signalpost.testing.virtual_loop import run_virtual
from tests.unit.delivery.dispatch.world import World, wait
from tests.unit.delivery.intake_harness import IntakeHarness
from tests.unit.sinks.discord.sinks import SAVED, always, before
from tests.unit.sinks.notifications import alert, analysis, announcement, item, notification, signal, status

FAULT = "a fault of ours"
EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
KINDS: list[Any] = [signal, alert, analysis, status, announcement]


def _fails(*_: object) -> object:
    raise LookupError(FAULT)


async def test_a_message_that_cannot_be_made_is_rejected_and_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(message, "view_of", _fails)
    async with before(always(SAVED)) as (sink, server):
        (found,) = await asyncio.gather(sink.send([item(signal())]), return_exceptions=True)
    assert isinstance(found, Rejected)
    assert found.code == "not-rendered"
    assert (found.__cause__, found.__context__) == (None, None)
    assert server.requests == []


def test_a_message_that_cannot_be_made_is_a_dead_letter_and_logged_with_its_frames(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(message, "view_of", _fails)

    async def run() -> Delivery:
        connections = Connections("tests", connect_timeout=1, total_timeout=2)
        sink: Any = DiscordWebhook(WebhookAddress.parse("http://127.0.0.1:9/api/webhooks/1/token"), connections)
        try:
            async with World(sink) as world:
                await world.put("first")
                await wait(120)
                return await world.delivery("first")
        finally:
            await connections.close()

    first = run_virtual(run())
    assert (first.state.value, first.may_repeat, first.unanswered) == ("dead", False, 0)
    assert "LookupError" in caplog.text
    assert FAULT in caplog.text
    assert "test_rendering.py:" in caplog.text


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "1899-12-31T23:59:59Z", "9000-01-01T00:00:00Z"])
@pytest.mark.parametrize("made", KINDS)
def test_a_time_that_no_message_can_show_is_refused_with_its_field(made: Any, text: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        made(timestamp=text, **({"known_at": None} if made is signal else {}))
    assert (refusal.value.code, refusal.value.field) == ("out-of-range", "timestamp")


@pytest.mark.parametrize("made", KINDS)
async def test_an_expiry_in_9999_is_refused_and_does_not_break_intake(made: Any) -> None:
    async def taken() -> object:
        return await IntakeHarness("signals-free").intake.accept(made(valid_until="9999-12-31T23:59:59Z"))

    (found,) = await asyncio.gather(taken(), return_exceptions=True)
    assert isinstance(found, InvalidValue)
    assert (getattr(found, "code", None), getattr(found, "field", None)) == ("out-of-range", "valid_until")


def test_a_timeframe_that_ends_after_the_last_time_is_refused() -> None:
    with pytest.raises(InvalidValue) as refusal:
        signal(timestamp=LATEST - timedelta(hours=4), known_at=None)
    assert refusal.value.code == "out-of-range"


@given(made=st.sampled_from(KINDS), at=st.datetimes(EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None)))
@example(signal, EARLIEST.replace(tzinfo=None))
@example(signal, LATEST.replace(tzinfo=None) - timedelta(hours=9))
@example(announcement, LATEST.replace(tzinfo=None) - timedelta(hours=25))
def test_every_accepted_time_can_be_shown_and_stored(made: Any, at: datetime) -> None:
    at = min(at.replace(tzinfo=UTC), LATEST - timedelta(hours=25))
    last = {"valid_until": LATEST - timedelta(microseconds=1)}
    fields = {"timestamp": at, **({"known_at": at + timedelta(hours=4)} if made is signal else {})}
    for payload in (made(**fields), made(**fields, **last)):
        shown = notification(payload, accepted_at=payload.timestamp, valid_until=payload.valid_until)
        assert (message.message([Item(shown)], Look(), payload.timestamp) or {})["embeds"]

    async def run() -> None:
        harness = IntakeHarness("signals-free", "alerts-critical", "market-analysis", "system-status", "community")
        assert await harness.intake.accept(made(**fields, **last))

    run_virtual(run())

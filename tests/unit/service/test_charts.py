"""A chart is added after the text: only the picture is lost if anything on its way fails."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from signalpost import AsyncNotificationService, InvalidConfiguration, Signal, UserTier, clock
from signalpost.domain.events import ChartEnded, Event
from signalpost.domain.tier import Hidden, TierCopy
from signalpost.errors import StoreClosed, StoreFailed
from signalpost.sandbox.rules.faults import Fault, usual_answer
from signalpost.sandbox.server import Sandbox
from signalpost.service import charts
from signalpost.service.charts import CandleHistory
from signalpost.sinks.discord.cards.look import ChartTheme, Look
from signalpost.testing.scripted_sink import ScriptedSink
from tests.candles_before import candles_until
from tests.unit.service.conftest import ConfigFor, run_of, shown, signal
from tests.until import until

FREE = "signals-free"
Source = Callable[[Signal], Awaitable[CandleHistory | None]]


async def candles(of: Signal) -> CandleHistory:
    return CandleHistory(candles_until(of), (3, 8))


class Watched:
    """The ends of charts."""

    def __init__(self) -> None:
        self.ends: list[ChartEnded] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, ChartEnded):
            self.ends.append(event)


@pytest.fixture
def watched() -> Watched:
    return Watched()


Running = Callable[..., Any]


@pytest.fixture
def running(config_for: ConfigFor, watched: Watched) -> Running:
    """A service with charts."""

    @asynccontextmanager
    async def made(
        source: Source = candles, look: Look | None = None, *names: str
    ) -> AsyncIterator[AsyncNotificationService]:
        config = config_for(*(names or (FREE,)))
        if look is not None:
            config = msgspec.structs.replace(config, look=look)
        async with AsyncNotificationService(config, listeners=[watched], candles=source) as service:
            yield service

    return made


async def settled(service: AsyncNotificationService) -> None:
    """Wait for the text, then for the chart, then for its result."""
    await service.drain(10)
    if (made := run_of(service).charts) is not None:
        await made.all_ended()
    await service.drain(10)


def embed(sandbox: Sandbox, channel: str = FREE) -> tuple[Any, Any]:
    """The picture and the attachments of the first message."""
    message = sandbox.discord.guild.messages(channel)[0]
    return message["embeds"][0].get("image"), [each["filename"] for each in message["attachments"]]


WITH = ({"url": "attachment://chart.png"}, ["chart.png"])
WITHOUT = (None, [])


async def test_a_new_card_gets_its_chart_by_an_edit(sandbox: Sandbox, running: Running, watched: Watched) -> None:
    async with running() as service:
        await service.queue_notification(signal(stop_loss="1.1600"))
        await settled(service)
        assert embed(sandbox) == WITH
        (message,) = sandbox.discord.guild.messages(FREE)
        assert message["attachments"][0]["description"].endswith("with entry 1.16340 and stop 1.16000")
        assert message["content"].startswith("BUY "), "the ticket stays"
        assert (sandbox.discord.guild.file(message["attachments"][0]["id"]) or b"").startswith(b"\x89PNG")
        assert [entry.entry.method for entry in sandbox.discord.log.since(0) if entry.entry.recorded] == [
            "POST",
            "PATCH",
        ]
        metrics = service.get_metrics()
    assert (metrics["charts_added"], metrics["charts_failed"], metrics["queue_depth"]) == (1, 0, 0)
    assert (metrics["notifications_queued"], metrics["notifications_sent"]) == (1, 2)
    assert [each.failure for each in watched.ends] == [None]


async def test_a_later_text_keeps_the_chart_also_after_a_restart(sandbox: Sandbox, running: Running) -> None:
    one = signal(stop_loss="1.1600")
    async with running() as service:
        await service.queue_notification(one)
        await settled(service)
    async with running() as service:
        assert await service.update_signal(one, note="still valid")
        await settled(service)
        assert embed(sandbox) == WITH
        assert "still valid" in str(sandbox.discord.guild.messages(FREE)[0]["embeds"])


async def test_only_the_picture_is_new_on_the_card_of_a_reversal(sandbox: Sandbox, running: Running) -> None:
    async with running() as service:
        await service.queue_notification(signal())
        await settled(service)
        await until(lambda: any(each.entry.method == "GET" for each in sandbox.discord.log.since(0)))
        reversal = signal(signal_type="SELL", strategy_name="B")
        await run_of(service).engine.intake.accept(reversal, closes=1)
        await settled(service)
    entries = [each.entry for each in sandbox.discord.log.since(0) if each.entry.recorded]
    posted, edited = (each.body["embeds"][0] for each in entries[-2:])
    assert posted["description"].startswith("**Closes [Card #1](https://discord.com/channels/")
    assert edited == posted | {"image": {"url": "attachment://chart.png"}}


async def test_a_tier_sees_its_own_chart_or_none(sandbox: Sandbox, running: Running) -> None:
    copies = {
        UserTier.FREE: TierCopy(hidden=frozenset({Hidden.STOP, Hidden.TARGETS})),
        UserTier.PREMIUM: TierCopy(hidden=frozenset({Hidden.CHART})),
    }
    async with running(candles, Look(copies=copies), FREE, "signals-premium") as service:
        for tier in copies:
            one = signal(stop_loss="1.1600", take_profit="1.1700", signal_id=tier)
            await service.queue_notification(one, user_tier=tier)
        await settled(service)
        assert embed(sandbox, "signals-premium") == WITHOUT
        first = sandbox.discord.guild.messages(FREE)[0]
        assert first["attachments"][0]["description"].endswith("with entry 1.16340")


async def test_candles_are_fetched_once_for_all_cards_of_a_signal(running: Running, watched: Watched) -> None:
    fetched: list[str] = []

    async def counted(of: Signal) -> CandleHistory:
        fetched.append(of.signal_id)
        return await candles(of)

    async with running(counted, None, FREE, "signals-premium") as service:
        one = signal()
        await service.queue_notification(one)
        await service.queue_notification(one, user_tier="premium")
        await settled(service)
    assert ([each.failure for each in watched.ends], fetched) == ([None, None], [one.signal_id])


async def none(_: Signal) -> None:
    return None


async def empty(_: Signal) -> CandleHistory:
    return CandleHistory(())


@pytest.mark.parametrize("source", [none, empty])
async def test_without_candles_there_is_no_chart_and_no_failure(
    sandbox: Sandbox, running: Running, watched: Watched, source: Source
) -> None:
    async with running(source) as service:
        await service.queue_notification(signal())
        await service.queue_notification(signal(timeframe=None, signal_id="without candles"))
        await settled(service)
    assert (embed(sandbox), watched.ends) == (WITHOUT, [])


async def broken(_: Signal) -> CandleHistory:
    raise OSError("token-1234 leaked")


async def refused(_: Signal) -> CandleHistory:
    raise InvalidConfiguration("no such pair")


async def endless(_: Signal) -> CandleHistory:
    return await asyncio.Event().wait()  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("source", "failure"), [(broken, "OSError"), (refused, "no such pair"), (endless, "it was not added within 0.2 s")]
)
async def test_a_feed_that_fails_or_hangs_costs_only_the_picture(
    sandbox: Sandbox, running: Running, watched: Watched, source: Source, failure: str
) -> None:
    async with running(source, Look(chart_within=timedelta(seconds=0.2))) as service:
        await service.queue_notification(signal())
        await settled(service)
        assert service.get_metrics()["charts_failed"] == 1
    assert ([each.failure for each in watched.ends], embed(sandbox)) == ([failure], WITHOUT)


async def test_a_drawing_that_hangs_is_given_up(
    running: Running, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()
    monkeypatch.setattr(charts, "draw", lambda *_: free.wait(10))
    monkeypatch.setattr(charts, "DRAWN_WITHIN", 0.05)
    async with running() as service:
        await service.queue_notification(signal())
        await settled(service)
        free.set()
    assert [each.failure for each in watched.ends] == ["it was not drawn within 0.05 s"]


@pytest.mark.parametrize(("status", "code"), [(413, 40005), (400, 50045)])
async def test_an_upload_that_is_refused_leaves_the_card_and_its_edits(
    sandbox: Sandbox, running: Running, watched: Watched, status: int, code: int
) -> None:
    sandbox.discord.faults.plan(Fault(method="PATCH", answer=usual_answer(status, 1.0, code), is_processed=False))
    async with running() as service:
        one = signal(stop_loss="1.1600")
        await service.queue_notification(one)
        await settled(service)
        assert [str(status) in (each.failure or "") for each in watched.ends] == [True]
        await service.update_signal(one, note="still valid")
        await settled(service)
        assert service.get_metrics()["deliveries_dead"] == 0
    assert (embed(sandbox), len(shown(sandbox, FREE))) == (WITHOUT, 1)


async def test_an_upload_that_hangs_frees_its_sender(
    sandbox: Sandbox, running: Running, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charts, "UPLOADED_WITHIN", 0.05)
    sandbox.discord.faults.plan(Fault(method="PATCH", seconds_before=60.0, is_processed=False))
    async with running() as service:
        await service.queue_notification(signal())
        async with asyncio.timeout(8):  # a request may take longer
            await settled(service)
    assert ([each.failure for each in watched.ends], embed(sandbox)) == ([None], WITH)


async def test_a_chart_that_a_newer_state_superseded_is_queued_again(
    sandbox: Sandbox, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charts, "_TRY_AGAIN_AFTER", 0.05)
    async with running() as service:
        engine = run_of(service).engine
        add, tried = engine.add_chart, list[str]()

        async def at_first_not(sequence: str, *where: Any) -> None:
            tried.append(sequence)
            if len(tried) == 1:
                raise StoreFailed("busy")
            if len(tried) > 2:
                await add(sequence, *where)

        monkeypatch.setattr(engine, "add_chart", at_first_not)
        await service.queue_notification(signal())
        await settled(service)
    assert (embed(sandbox), len(tried) > 2) == (WITH, True)


async def test_too_many_at_once_get_none(running: Running, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "MOST_AT_ONCE", 0)
    async with running() as service:
        await service.queue_notification(signal())
        await settled(service)
    assert [each.failure for each in watched.ends] == ["0 others are in progress"]


async def test_a_stop_gives_up_charts_and_a_restart_forgets_them(sandbox: Sandbox, running: Running) -> None:
    one = signal()
    async with running(endless) as service:
        await service.queue_notification(one)
        await service.drain(10)
    async with running() as service:
        engine = run_of(service).engine
        await engine.add_chart(one.signal_id, FREE, clock.now() + timedelta(minutes=1))
        await service.drain(10)
        assert service.get_metrics()["deliveries_suppressed"] == 1
    assert embed(sandbox) == WITHOUT


@pytest.mark.parametrize(("look", "is_installed"), [(Look(chart=ChartTheme.OFF), True), (Look(), False)])
async def test_charts_can_be_off(
    sandbox: Sandbox, running: Running, monkeypatch: pytest.MonkeyPatch, look: Look, *, is_installed: bool
) -> None:
    monkeypatch.setattr(charts, "is_installed", lambda: is_installed)
    async with running(candles, look) as service:
        await service.queue_notification(signal())
        await settled(service)
        assert run_of(service).charts is None
    assert embed(sandbox) == WITHOUT


async def test_a_store_that_closes_ends_a_chart_in_silence(
    running: Running, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running() as service:

        async def closed(*_: Any) -> None:
            raise StoreClosed("the service stops")

        monkeypatch.setattr(run_of(service).engine, "add_chart", closed)
        await service.queue_notification(signal())
        await settled(service)
    assert watched.ends == []


async def test_only_the_candles_of_recent_signals_are_kept(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "_FETCHES_KEPT", 1)
    async with running() as service:
        for name in ("first", "second"):
            await service.queue_notification(signal(signal_id=name))
            await settled(service)
        assert list(run_of(service).charts._fetches) == ["second"]


async def test_the_sink_with_charts_is_still_the_sink(running: Running) -> None:
    inner = ScriptedSink()
    async with running() as service:
        sink = run_of(service).charts.added_by(inner, FREE)
        await sink.probe()
        await sink.close()
    assert (len(inner.probed), inner.is_closed) == (1, True)

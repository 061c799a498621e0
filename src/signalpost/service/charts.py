"""Adds a chart to the card of each new signal: the text is posted first, and an edit adds the picture soon or never.

If candles, drawing or upload fail, or if the process ends, only the picture is lost. See
docs/why/0037-charts-are-edits.md.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from signalpost import clock
from signalpost.delivery.engine import Engine
from signalpost.domain.candle import Candle
from signalpost.domain.events import ChartEnded
from signalpost.domain.notification import is_chart
from signalpost.domain.signal import Signal
from signalpost.domain.tier import Hidden
from signalpost.domain.trade import Trade
from signalpost.errors import CommandFailed, SignalpostError, StoreClosed, StoreFailed
from signalpost.lasting import result_of
from signalpost.sinks.discord.cards.look import ChartTheme, Look
from signalpost.sinks.discord.cards.view import View
from signalpost.sinks.discord.chart import draw, is_installed, plan_of
from signalpost.sinks.discord.message import view_of
from signalpost.sinks.evidence import CardLost, Receipt, Rejected, Unavailable, Unwanted
from signalpost.sinks.port import Answer, Chart, Item, Sink
from signalpost.telemetry.log_queue import logger

DRAWN_WITHIN = 1.0
"""Seconds."""
UPLOADED_WITHIN = 5.0
"""Seconds for which a chart may occupy a sender."""
MOST_AT_ONCE = 100
"""The most charts in progress. If there are as many, a new signal gets none."""
_TRY_AGAIN_AFTER = 1.0
_FETCHES_KEPT = 32


class CandleHistory(NamedTuple):
    """The candles of a chart, oldest first, and the periods of the averages to draw; those need earlier candles."""

    candles: Sequence[Candle]
    periods: tuple[int, ...] = ()


CandleSource = Callable[[Signal], Awaitable[CandleHistory | None]]
"""Fetches the closed candles up to that of a signal; None if no source has them."""


class _Job:
    """A chart that is being added to one card."""

    def __init__(self) -> None:
        self.chart: Chart | None = None
        self.is_over = asyncio.Event()
        self.failure: str | None = None

    def end(self, failure: str | None = None) -> None:
        self.failure = failure
        self.is_over.set()


class Charts:
    """Makes charts, one drawing at a time in a thread, and queues the edits that add them.

    Belongs to one event loop. `look` has the theme and the deadline.
    """

    def __init__(self, engine: Engine, source: CandleSource, look: Look) -> None:
        self._engine, self._source, self._look = engine, source, look
        self._jobs: dict[tuple[str, str], _Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._fetches: dict[str, asyncio.Future[CandleHistory | None]] = {}
        self._one_at_a_time = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "signalpost chart")

    def added_by(self, sink: Sink, destination: str) -> "ChartSink":
        """A sink that sends the same as `sink`, and adds charts."""
        return ChartSink(sink, destination, self._look, self)

    def begin(self, destination: str, trade: Trade, view: View, sequence: str) -> None:
        """Make the chart of a card that was just posted."""
        if len(self._tasks) >= MOST_AT_ONCE:
            self._engine.emit(ChartEnded(destination, trade.signal.signal_id, f"{MOST_AT_ONCE} others are in progress"))
            return
        work = self._add(destination, trade, view, sequence)
        task = asyncio.get_running_loop().create_task(work, name="signalpost chart")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def job(self, sequence: str, destination: str) -> _Job | None:
        """The chart that is being added to a card."""
        return self._jobs.get((sequence, destination))

    async def all_ended(self) -> None:
        """Wait until each chart in progress is added, or has failed."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def close(self) -> None:
        """Cancel the charts that are not added yet."""
        waits: list[asyncio.Future[Any]] = [*self._tasks, *self._fetches.values()]
        for each in waits:
            each.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _add(self, destination: str, trade: Trade, view: View, sequence: str) -> None:
        within = self._look.chart_within
        job = self._jobs[sequence, destination] = _Job()
        until = clock.now() + within
        try:
            async with asyncio.timeout(within.total_seconds()):
                job.chart = await self._made(trade, view, sequence)
                if job.chart is None:
                    return
                await self._queued(job, sequence, destination, until)
        except TimeoutError:
            job.end(f"it was not added within {within.total_seconds():g} s")
        except StoreClosed:  # the service stops
            return
        except Exception as fault:  # noqa: BLE001  # a user's feed and a drawing may raise anything
            job.end(str(fault) if isinstance(fault, SignalpostError) else type(fault).__name__)
        finally:
            del self._jobs[sequence, destination]
        self._engine.emit(ChartEnded(destination, trade.signal.signal_id, job.failure))

    async def _made(self, trade: Trade, view: View, sequence: str) -> Chart | None:
        """The chart as `view` may see it; None if there are no candles."""
        history = await self._history(trade.signal, sequence)
        if history is None:
            return None
        async with self._one_at_a_time:
            drawing = asyncio.get_running_loop().run_in_executor(self._thread, self._drawn, trade, view, history)
            try:
                async with asyncio.timeout(DRAWN_WITHIN):
                    return await drawing
            except TimeoutError:
                text = f"it was not drawn within {DRAWN_WITHIN:g} s"
                raise SignalpostError(text, code="timeout", field="chart", limit=f"{DRAWN_WITHIN:g}") from None

    async def _history(self, signal: Signal, sequence: str) -> CandleHistory | None:
        """The candles of a signal, fetched once for all its cards."""
        if (fetch := self._fetches.get(sequence)) is None:
            fetch = self._fetches[sequence] = asyncio.ensure_future(self._source(signal))
            for oldest in list(self._fetches)[:-_FETCHES_KEPT]:
                del self._fetches[oldest]
        return await result_of(fetch)

    def _drawn(self, trade: Trade, view: View, history: CandleHistory) -> Chart | None:
        plan = plan_of(trade, view, history.candles, history.periods)
        return Chart(draw(plan, self._look.chart), plan.text) if plan.candles else None

    async def _queued(self, job: _Job, sequence: str, destination: str, until: datetime) -> None:
        """Queue the edit, and again whenever a newer state of the card superseded it, until the chart is added."""
        pause = _TRY_AGAIN_AFTER
        while True:
            with suppress(StoreFailed, CommandFailed):
                await self._engine.add_chart(sequence, destination, until)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await job.is_over.wait()
                    return
            pause *= 2


class ChartSink:
    """A sink that begins a chart for each new card of a live trade, and uploads it with the edit that adds it."""

    def __init__(self, sink: Sink, destination: str, look: Look, charts: Charts) -> None:
        self._sink, self._destination, self._look, self._charts = sink, destination, look, charts

    async def send(self, items: Sequence[Item]) -> Receipt:
        """Send the items. Raises as the sink does, and Unwanted for a chart that is no longer wanted."""
        if is_chart(items[0].notification.event):
            return await self._upload(items[0])
        receipt = await self._sink.send(items)
        for item in items:
            trade, view = item.notification.shown, view_of(item, self._look)
            is_new_card = item.card is None and item.notification.before is None
            if is_new_card and trade is not None and receipt.message_id and _has_chart(trade, view):
                self._charts.begin(self._destination, trade, view, item.notification.sequence)
        return receipt

    async def probe(self) -> Answer:
        """Check that the destination is alive. Raises as the sink does."""
        return await self._sink.probe()

    async def close(self) -> None:
        """Close the connections."""
        await self._sink.close()

    async def _upload(self, item: Item) -> Receipt:
        job = self._charts.job(item.notification.sequence, self._destination)
        if job is None or job.chart is None or item.card is None:
            raise Unwanted("the chart is no longer wanted")
        try:
            async with asyncio.timeout(UPLOADED_WITHIN):
                receipt = await self._sink.send((item._replace(chart=job.chart),))
        except TimeoutError:
            raise Unavailable(f"the chart was not uploaded within {UPLOADED_WITHIN:g} s") from None
        except (Rejected, CardLost) as refused:
            job.end(str(refused))
            raise
        job.end()
        return receipt


def _has_chart(trade: Trade, view: View) -> bool:
    is_hidden = view.hides(Hidden.CHART, trade)
    return trade.state.is_live and trade.signal.timeframe is not None and not is_hidden


def charts_of(engine: Engine, look: Look, source: CandleSource | None) -> Charts | None:
    """The charts of a process that delivers; None without candles, or if they are off or cannot be drawn."""
    if source is None or look.chart is ChartTheme.OFF:
        return None
    if not is_installed():
        logger.info("charts are off, because Pillow is not installed: run pip install 'signalpost[chart]'")
        return None
    return Charts(engine, source, look)

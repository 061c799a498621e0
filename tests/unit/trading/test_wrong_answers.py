"""A strategy that exits, or returns neither a signal, a filtered cross nor None, is reported and loses nothing."""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

from signalpost import Candle, MAUnifiedStrategy, Signal
from signalpost.domain.events import Event, IncidentBegan
from signalpost.domain.reports import AlertSeverity
from signalpost.testing.virtual_loop import run_virtual
from signalpost.trading.alarm_clock import AlarmClock
from signalpost.trading.incidents import Incidents
from signalpost.trading.processor import IncrementalSignalProcessor
from signalpost.trading.replay import replay
from signalpost.trading.runner import StreamRunner
from signalpost.trading.strategies.port import WrongAnswer
from tests.unit.delivery.intake_harness import IntakeHarness
from tests.unit.trading.stream_harness import CONFIG, DOWN_UP, HOUR, START, IntakeLedger, ListFeed, candles


class Wrapped(MAUnifiedStrategy):
    """A strategy whose answers are changed."""

    def __init__(self, change: Callable[[Signal | None], object]) -> None:
        super().__init__(CONFIG)
        self._change = change

    def on_candle(self, candle: Candle) -> Any:
        return self._change(super().on_candle(candle))  # type: ignore[arg-type]


def in_a_list(answer: Signal | None) -> object:
    """The answer in a list."""
    return [answer]


def exits(_: Signal | None) -> object:
    """No answer, but an exit."""
    raise SystemExit("a strategy's own exit")


async def events_of(processor: IncrementalSignalProcessor, seconds: float) -> list[Event]:
    """The events of a strategy that runs for some seconds."""
    events: list[Event] = []
    around: dict[str, Any] = {"on_missed": lambda _: None, "at_work": nullcontext, "alarms": AlarmClock()}
    running = asyncio.create_task(StreamRunner("mine", processor, Incidents(), events.append, **around).run())
    await asyncio.sleep(seconds)
    running.cancel()
    return events


@pytest.mark.parametrize(("change", "kind"), [(in_a_list, "list"), (lambda _: "BUY", "str"), (lambda _: False, "bool")])
def test_a_replay_rejects_another_answer(change: Callable[[Signal | None], object], kind: str) -> None:
    with pytest.raises(WrongAnswer, match=f"returned a {kind}: return a Signal, a Filtered or None"):
        replay(Wrapped(change), candles(*DOWN_UP))


def test_a_live_strategy_with_another_answer_is_alerted_with_what_to_return_and_saves_nothing() -> None:
    async def main() -> None:
        ledger = IntakeLedger(IntakeHarness())
        processor = IncrementalSignalProcessor(Wrapped(in_a_list), ListFeed(candles(*DOWN_UP)), ledger)
        (began,) = [each for each in await events_of(processor, 1) if isinstance(each, IncidentBegan)]
        assert began.reason == "on_candle returned a list: return a Signal, a Filtered or None"
        assert await ledger.load_state(CONFIG.stream) is None

    run_virtual(main(), START + 4 * HOUR)


def test_a_live_strategy_that_exits_pauses_as_after_any_other_error() -> None:
    async def main() -> None:
        ledger, feed = IntakeLedger(IntakeHarness()), ListFeed(candles(*DOWN_UP))
        events = await events_of(IncrementalSignalProcessor(Wrapped(exits), feed, ledger), 3600)
        assert [(each.kind, each.severity) for each in events if isinstance(each, IncidentBegan)] == [
            ("strategy", AlertSeverity.HIGH),
            ("strategy", AlertSeverity.CRITICAL),
        ]
        assert len(feed.fetches) < 10
        assert await ledger.load_state(CONFIG.stream) is None

    run_virtual(main(), START + 4 * HOUR)

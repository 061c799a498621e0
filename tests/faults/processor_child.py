"""A process that runs a strategy over real candles, some of which are corrected, until it is killed.

    python -m tests.faults.processor_child OUTBOX [before|after COMMITS]

With `before` or `after` it kills itself just before or after that many commits.
"""

import asyncio
import sqlite3
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

from signalpost import Candle, MAUnifiedConfig
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.testing.manual_clock import ManualClock
from signalpost.trading.calendar import FX
from tests.contracts.conftest import real_candles
from tests.faults.sqlite_child import DiesAtCommit
from tests.unit.delivery.intake_harness import IntakeHarness
from tests.unit.trading.stream_harness import StreamHarness

CONFIG = MAUnifiedConfig(pair="EUR_GBP", timeframe="H4", fast=1, slow=2, atr="wilder", atr_period=5, key="quick")
HISTORY, LENGTH = 20, 60
CANDLES = real_candles("EUR_GBP")[:LENGTH]


def seen_at(last: int) -> list[Candle]:
    """The candles once that one has closed. Every fifth is corrected when the next one closes."""
    return [
        each.but(close=each.low) if number % 5 == 4 and number < last else each
        for number, each in enumerate(CANDLES[: last + 1])
    ]


async def run(core: SqliteCore) -> None:
    """Go on from the last candle that was taken."""
    harness = StreamHarness(config=CONFIG, store=IntakeHarness(core=core), calendar=FX, history=HISTORY)
    saved = await harness.ledger.load_state(CONFIG.stream)
    times = [candle.time for candle in CANDLES]
    with ManualClock(times[0]) as clock:
        for last in range(HISTORY - 1 if saved is None else times.index(saved.watermark), LENGTH):
            clock.set(times[last] + timedelta(hours=4))
            harness.feed.candles = seen_at(last)
            await harness.processor.cycle(clock.now())


def main(path: str, when: str = "", commits: str = "0") -> None:
    """Run to the end, or until it is time to die."""
    sqlite3.connect = partial(sqlite3.connect, factory=DiesAtCommit)  # type: ignore[assignment]  # typed as overloads
    core = SqliteCore(Path(path))
    DiesAtCommit.when, DiesAtCommit.left = when, int(commits)
    asyncio.run(run(core))
    core.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

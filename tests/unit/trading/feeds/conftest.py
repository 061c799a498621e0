from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from signalpost.testing.manual_clock import ManualClock
from tests.exchange_server import ExchangeServer
from tests.unit.trading.feeds.coin_feed import CANDLES, MINUTE, RUNNING, served

HEADER = "time,open,high,low,close"
ROWS = (
    "2025-01-06T00:00:00Z,1.10000,1.10200,1.09900,1.10100",
    "2025-01-06T04:00:00Z,1.10100,1.10300,1.10000,1.10250",
    "2025-01-06T08:00:00Z,1.10250,1.10400,1.10200,1.10350",
)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a candle file: some rows under a header."""

    def write_file(rows: Sequence[str] = ROWS, header: str = HEADER) -> Path:
        path = tmp_path / "candles.csv"
        path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def rows() -> list[str]:
    """Three good H4 rows."""
    return list(ROWS)


@pytest.fixture
def clock() -> Iterator[ManualClock]:
    """Half a minute into the last candle of coins."""
    with ManualClock(RUNNING.time + MINUTE / 2) as manual:
        yield manual


@pytest.fixture
def server(clock: ManualClock) -> Iterator[ExchangeServer]:
    """An exchange with these candles."""
    with served(CANDLES, clock.now) as running:
        yield running

"""The bundled real candles (per commit the first thousand), read without our reader; and a signal book."""

import csv
import gzip
from collections.abc import AsyncIterator, Callable
from functools import cache
from itertools import islice
from pathlib import Path

import pytest

import signalpost
from signalpost import Candle
from signalpost.delivery.outbox.port import Outbox
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.outbox.threaded import ThreadedOutbox
from tests.contracts.book_driver import Driver
from tests.inline_outbox import InlineOutbox
from tests.size import size

FOLDER = Path(signalpost.__file__).parent / "data" / "mt5_h4"


@cache
def real_candles(pair: str) -> tuple[Candle, ...]:
    with gzip.open(FOLDER / f"{pair}_H4.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return tuple(Candle(**row) for row in islice(csv.DictReader(file), size(1_000, 1_000_000)))


@pytest.fixture(scope="session")
def real() -> Callable[[str], tuple[Candle, ...]]:
    return real_candles


@pytest.fixture(params=[InlineOutbox, ThreadedOutbox])
async def book(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Driver]:
    """A signal book in a store, with and without its thread."""
    outbox: Outbox = request.param(SqliteCore(tmp_path / "outbox.db"))
    yield Driver(outbox, tmp_path / "outbox.db")
    await outbox.close()

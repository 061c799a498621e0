"""The bundled real candles, read with the standard library, so that these tests do not rely on our reader."""

import csv
import gzip
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

import signalpost
from signalpost import Candle

FOLDER = Path(signalpost.__file__).parent / "data" / "mt5_h4"


@cache
def real_candles(pair: str) -> tuple[Candle, ...]:
    with gzip.open(FOLDER / f"{pair}_H4.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return tuple(Candle(**row) for row in csv.DictReader(file))


@pytest.fixture(scope="session")
def real() -> Callable[[str], tuple[Candle, ...]]:
    return real_candles

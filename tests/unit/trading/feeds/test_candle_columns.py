"""Candle files of other programs: other separators, and other names of the columns."""

from pathlib import Path

import pytest

from signalpost import InvalidCandleFile
from signalpost.trading.feeds.candle_file import read_candle_file

HEADER = ("time", "open", "high", "low", "close", "volume")
ROWS = (
    ("2025-03-03T09:00:00Z", "1.05", "1.06", "1.04", "1.055", "10"),
    ("2025-03-03T10:00:00Z", "1.055", "1.065", "1.045", "1.06", "11"),
)


def closes(path: Path, header: tuple[str, ...], separator: str, quote: str = "") -> list[str] | str:
    """The closes of a file that is written so, or why it is refused."""
    lines = [separator.join(f"{quote}{cell}{quote}" for cell in row) for row in (header, *ROWS)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    try:
        return [str(candle.close) for candle in read_candle_file(path, timeframe="H1").candles]
    except InvalidCandleFile as error:
        return str(error)


@pytest.mark.line("6.5.19")
@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_file_with_another_separator_is_read(tmp_path: Path, separator: str, quote: str) -> None:
    assert closes(tmp_path / "c.csv", HEADER, separator, quote) == ["1.055", "1.06"]


@pytest.mark.line("6.5.19")
@pytest.mark.parametrize(
    "header",
    [
        ("timestamp", "open", "high", "low", "close", "volume"),
        ("date", "Open", "High", "Low", "Close", "Volume"),
        ("Datetime", "open", "high", "low", "close", "vol"),
        ("open_time", "o", "h", "l", "c", "v"),
        ("Open Time", "Open Price", "High Price", "Low Price", "Close Price", "Volume"),
        ("<TIME>", "<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>", "<TICKVOL>"),
        ("candle_time", "open", "high", "low", "close", "tick_volume"),
        ("unix", "OPEN", "HIGH", "LOW", "CLOSE", "VOLUME"),
    ],
    ids=lambda header: header[0],
)
@pytest.mark.parametrize("separator", [",", ";"])
def test_the_usual_names_of_columns_are_known(tmp_path: Path, header: tuple[str, ...], separator: str) -> None:
    assert closes(tmp_path / "c.csv", header, separator) == ["1.055", "1.06"]


@pytest.mark.line("6.5.19")
@pytest.mark.parametrize("separator", [" ", ":", "~"])
def test_with_any_other_separator_the_refusal_names_those_that_are_read(tmp_path: Path, separator: str) -> None:
    told = closes(tmp_path / "c.csv", HEADER, separator)
    assert isinstance(told, str)
    assert "semicolons or tabs" in told


def test_the_clearest_name_of_a_column_counts(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("date,close_time,time,open,high,low,close\nx,y,2025-03-03T09:00:00Z,1,1,1,1\n", encoding="utf-8")
    assert read_candle_file(path, timeframe="H1").candles[0].time.hour == 9


def test_a_column_that_is_missing_or_there_twice_is_named(tmp_path: Path) -> None:
    told = closes(tmp_path / "c.csv", ("time", "open", "high", "low", "Open", "volume"), ";")
    assert isinstance(told, str)
    assert "no column 'close'" in told
    assert "column 'open' twice" in told

"""Candle files of other programs, with other separators and column names."""

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
    """The closes of a file in this format, or the error."""
    lines = [separator.join(f"{quote}{cell}{quote}" for cell in row) for row in (header, *ROWS)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    try:
        return [str(candle.close) for candle in read_candle_file(path, timeframe="H1").candles]
    except InvalidCandleFile as error:
        return str(error)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_file_with_another_separator_is_read(tmp_path: Path, separator: str, quote: str) -> None:
    assert closes(tmp_path / "c.csv", HEADER, separator, quote) == ["1.055", "1.06"]


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
        ("Time", "mid.o", "mid.h", "mid.l", "mid.c", "volume"),
    ],
    ids=lambda header: header[0],
)
@pytest.mark.parametrize("separator", [",", ";"])
def test_the_usual_names_of_columns_are_known(tmp_path: Path, header: tuple[str, ...], separator: str) -> None:
    assert closes(tmp_path / "c.csv", header, separator) == ["1.055", "1.06"]


@pytest.mark.parametrize("separator", [" ", "  ", ":", "~", "^", "\uff1b", "\u060c"])
def test_an_unknown_separator_is_refused_with_the_known_ones(tmp_path: Path, separator: str) -> None:
    with pytest.raises(InvalidCandleFile) as refused:
        read_candle_file(written(tmp_path, HEADER, *ROWS, separator=separator), timeframe="H1")
    assert fact(refused.value, "value") == separator[0]
    assert "'|'" in fact(refused.value, "limit")


@pytest.mark.parametrize("separator", [";", "|", "\t", ","])
@pytest.mark.parametrize("quote", ["", '"'])
def test_excels_first_line_sets_the_separator(tmp_path: Path, separator: str, quote: str) -> None:
    said = (f"{quote}sep={separator}{quote}",)
    assert read(written(tmp_path, said, HEADER, *ROWS, separator=separator)) == ["1.055", "1.06"]


def test_excels_first_line_counts_as_a_line_and_an_unknown_separator_in_it_is_ignored(tmp_path: Path) -> None:
    path = written(tmp_path, ("sep=^",), HEADER, ROWS[0], ROWS[0][:3])
    with pytest.raises(InvalidCandleFile) as refused:
        read_candle_file(path, timeframe="H1")
    assert refused.value.line == 4


@pytest.mark.parametrize(
    ("column", "first", "second"),
    [
        ("Gmt time", "03.03.2025 09:00:00.000", "03.03.2025 10:00:00.000"),
        ("Gmt time", "2025-03-03T09:00:00Z", "2025-03-03T10:00:00Z"),
        ("GMT Time", "2025-03-03 09:00:00", "2025-03-03 10:00:00"),
        ("time_utc", "1740992400", "1740996000"),
        ("Local time", "03.03.2025 11:00:00.000 GMT+0200", "03.03.2025 12:00:00.000 GMT+0200"),
    ],
)
def test_times_of_dukascopy_are_read(tmp_path: Path, column: str, first: str, second: str) -> None:
    rows = ((first, *ROWS[0][1:]), (second, *ROWS[1][1:]))
    assert read(written(tmp_path, (column, *HEADER[1:]), *rows)) == ["1.055", "1.06"]


@pytest.mark.parametrize(
    ("columns", "times"),
    [
        (("Local time",), ("03.03.2025 09:00:00.000",)),
        (("<DATE>", "<TIME>"), ("2025.03.03", "09:00:00")),
        (("Date", "Time"), ("2025/03/03", "09:00")),
    ],
)
def test_a_time_without_a_zone_is_refused_with_its_value(
    tmp_path: Path, columns: tuple[str, ...], times: tuple[str, ...]
) -> None:
    path = written(tmp_path, (*columns, *HEADER[1:]), (*times, *ROWS[0][1:]), separator="\t")
    with pytest.raises(InvalidCandleFile) as refused:
        read_candle_file(path, timeframe="H1")
    assert fact(refused.value, "code") == "no-time-zone"
    assert "2025-03-03" in fact(refused.value, "value")


def test_a_day_and_a_time_with_its_zone_are_joined(tmp_path: Path) -> None:
    columns = ("<DATE>", "<TIME>", *HEADER[1:])
    rows = (("2025.03.03", "09:00:00Z", *ROWS[0][1:]), ("2025.03.03", "10:00:00Z", *ROWS[1][1:]))
    assert read(written(tmp_path, columns, *rows, separator="\t")) == ["1.055", "1.06"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_a_file_in_utf_16_is_refused(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(written(tmp_path, HEADER, *ROWS).read_text().encode(encoding))
    with pytest.raises(InvalidCandleFile) as refused:
        read_candle_file(path, timeframe="H1")
    assert fact(refused.value, "code") == "not-utf-8"


def fact(error: InvalidCandleFile, name: str) -> str:
    """A fact of the error; empty if it has none."""
    return next((str(getattr(fault, name)) for fault in getattr(error, "errors", ())), "")


def written(folder: Path, *rows: tuple[str, ...], separator: str = ",") -> Path:
    """A file of these rows."""
    path = folder / "c.csv"
    path.write_text("".join(f"{separator.join(row)}\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path) -> list[str] | str:
    """The closes of a file, or the error."""
    try:
        return [str(candle.close) for candle in read_candle_file(path, timeframe="H1").candles]
    except InvalidCandleFile as error:
        return str(error)


def test_the_clearest_name_of_a_column_counts(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("date,close_time,time,open,high,low,close\nx,y,2025-03-03T09:00:00Z,1,1,1,1\n", encoding="utf-8")
    assert read_candle_file(path, timeframe="H1").candles[0].time.hour == 9


def test_missing_and_repeated_columns_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, ("time", "open", "high", "low", "Open", "volume"), *ROWS, separator=";")
    with pytest.raises(InvalidCandleFile) as refused:
        read_candle_file(path, timeframe="H1")
    assert (fact(refused.value, "code"), fact(refused.value, "field")) == ("missing", "close")
    for name in ("'close'", "'open'"):
        assert name in str(refused.value)

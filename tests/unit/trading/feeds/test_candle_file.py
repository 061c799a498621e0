import gzip
from collections.abc import Callable
from decimal import Decimal
from errno import EISDIR, ENOENT
from os import strerror
from pathlib import Path

import pytest

from signalpost import Candle, InvalidCandleFile
from signalpost.trading.feeds.candle_file import read_candle_file
from tests.surface.errors import Facts, facts_of

Write = Callable[..., Path]
FIRST = Candle(time="2025-01-06T00:00:00Z", open="1.1", high="1.102", low="1.099", close="1.101")


def test_candles_are_read_unchanged(write: Write) -> None:
    file = read_candle_file(write(), timeframe="H4", pair="EUR_USD")
    assert file.candles[0] == FIRST
    assert [candle.close for candle in file.candles] == [Decimal("1.101"), Decimal("1.1025"), Decimal("1.1035")]
    assert (file.places, file.duplicates, file.rounded) == (5, 0, 0)


def test_a_gzipped_file_is_read_under_any_name(write: Write, tmp_path: Path) -> None:
    plain = write()
    squeezed = tmp_path / "candles.data"
    squeezed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_candle_file(squeezed, timeframe="H4") == read_candle_file(plain, timeframe="H4")


def test_line_ends_blank_lines_byte_order_mark_and_other_columns_do_not_matter(write: Write, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.csv"
    rows = [
        "Close, spread,low,HIGH,open,time",
        "1.10100,3,1.09900,1.10200,1.10000,2025-01-06T00:00:00Z",
        "",
        "1.10250,3,1.10000,1.10300,1.10100,2025-01-06T05:00:00+01:00",
        "1.10350,3,1.10200,1.10400,1.10250,2025-01-06T08:00:00.000000000Z",
    ]
    foreign.write_text("\r\n".join(rows), encoding="utf-8-sig", newline="")
    assert read_candle_file(foreign, timeframe="H4").candles == read_candle_file(write(), timeframe="H4").candles


def test_volume_is_read_if_there_is_any(write: Write, rows: list[str]) -> None:
    path = write([f"{rows[0]},17.5", f"{rows[1]},", f"{rows[2]},0"], "time,open,high,low,close,volume")
    volumes = [candle.volume for candle in read_candle_file(path, timeframe="H4").candles]
    assert volumes == [Decimal("17.5"), None, Decimal(0)]


def test_an_equal_duplicate_is_skipped_and_counted(write: Write, rows: list[str]) -> None:
    file = read_candle_file(write([rows[0], rows[1], rows[1], rows[1], rows[2]]), timeframe="H4")
    assert file == read_candle_file(write(rows), timeframe="H4")._replace(duplicates=2)


def test_excess_digits_below_a_billionth_are_rounded_and_counted(write: Write, rows: list[str]) -> None:
    noisy = rows[1].replace("1.10100", "1.1010000000000002").replace("1.10250", "1.1024999999999998")
    file = read_candle_file(write([rows[0], noisy, rows[2]]), timeframe="H4", pair="EUR_USD")
    assert file == read_candle_file(write(rows), timeframe="H4", pair="EUR_USD")._replace(rounded=2)


def test_a_duplicate_that_differs_only_by_noise_is_equal(write: Write, rows: list[str]) -> None:
    noisy = rows[0].replace("1.10000", "1.1000000000000001")
    file = read_candle_file(write([rows[0], noisy, *rows[1:]]), timeframe="H4")
    assert (file.duplicates, file.rounded, len(file.candles)) == (1, 1, 3)


def test_decimals_are_given_or_the_instruments_or_the_files(write: Write) -> None:
    path = write()
    assert read_candle_file(path, timeframe="H4", pair="EUR_USD", places=7).places == 7
    assert read_candle_file(path, timeframe="H4", pair="XAG_USD", places=5).places == 5
    assert read_candle_file(path, timeframe="H4", pair="EUR_USD").places == 5
    assert read_candle_file(path, timeframe="H4", pair="BTC_USDT").places == 5
    assert read_candle_file(path, timeframe="H4").places == 5


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("2025-01-06T04:00:00Z,1.10100,1.10300,1.10000", Facts("missing", None, "4", "5")),
        (
            "2025-01-06T04:00:00,1.10100,1.10300,1.10000,1.10250",
            Facts("no-time-zone", "time", "'2025-01-06T04:00:00'"),
        ),
        ("yesterday,1.10100,1.10300,1.10000,1.10250", Facts("invalid-time", "time", "'yesterday'")),
        ("2025-01-06T04:00:00Z,1.10100,1.10300,nan,1.10250", Facts("not-a-number", "low", "NaN")),
        ("2025-01-06T04:00:00Z,1.10100,1.10300,,1.10250", Facts("not-a-number", "low", "''")),
        ("2025-01-06T04:00:00Z,1.10100,1.10300,0,1.10250", Facts("out-of-range", "low", "0", "above 0")),
        ("2025-01-06T04:00:00Z,1.10100,1.10000,1.10300,1.10250", Facts("conflict", "high", "1.10000")),
        ("2025-01-06T00:00:00Z,1.10000,1.10200,1.09900,1.10150", Facts("conflict", "time", "2025-01-06T00:00:00Z")),
        (
            "2025-01-05T20:00:00Z,1.10100,1.10300,1.10000,1.10250",
            Facts("out-of-order", "time", "2025-01-05T20:00:00Z", "after 2025-01-06T00:00:00Z"),
        ),
    ],
)
def test_an_invalid_row_is_refused_with_file_and_line(write: Write, rows: list[str], row: str, expected: Facts) -> None:
    path = write([rows[0], row, rows[2]])
    with pytest.raises(InvalidCandleFile) as fault:
        read_candle_file(path, timeframe="H4", pair="EUR_USD")
    assert facts_of(fault.value) == [expected]
    assert (expected.value or "") in str(fault.value)
    assert str(path) in str(fault.value)
    assert (fault.value.path, fault.value.line) == (str(path), 3)


def test_a_duplicate_with_another_volume_differs(write: Write, rows: list[str]) -> None:
    path = write([f"{rows[0]},1", f"{rows[0]},2"], "time,open,high,low,close,volume")
    with pytest.raises(InvalidCandleFile) as fault:
        read_candle_file(path, timeframe="H4")
    assert facts_of(fault.value) == [Facts("conflict", "time", "2025-01-06T00:00:00Z")]
    assert fault.value.line == 3


def test_a_wrong_timeframe_is_refused_at_the_first_wrong_step(write: Write, rows: list[str]) -> None:
    hours = [rows[0].replace("T00", f"T{hour:02}") for hour in (0, 4, 5, 6)]
    with pytest.raises(InvalidCandleFile) as fault:
        read_candle_file(write(hours), timeframe="H4")
    assert facts_of(fault.value) == [Facts("wrong-timeframe", "timeframe", "1:00:00", "H4")]
    assert fault.value.line == 4
    for said in ("2 of 3", "1:00:00", "4:00:00"):
        assert said in str(fault.value)
    assert len(read_candle_file(write(hours), timeframe="H1").candles) == 4


def test_gaps_are_accepted_as_long_as_no_step_is_more_common(write: Write, rows: list[str]) -> None:
    with_weekend = [*rows, rows[0].replace("01-06T00", "01-13T00"), rows[0].replace("01-06T00", "01-27T00")]
    assert len(read_candle_file(write(with_weekend), timeframe="H4").candles) == 5


def test_a_single_candle_fits_any_timeframe(write: Write, rows: list[str]) -> None:
    assert len(read_candle_file(write(rows[:1]), timeframe="D").candles) == 1


@pytest.mark.parametrize(
    ("header", "code", "field"),
    [
        ("time,open,high,low", "missing", "close"),
        ("", "missing", "time"),
        ("time,open,high,low,close,Close", "conflict", "close"),
    ],
)
def test_the_first_line_must_name_each_column_once(write: Write, header: str, code: str, field: str) -> None:
    with pytest.raises(InvalidCandleFile, match=f"'{field}'") as fault:
        read_candle_file(write(header=header), timeframe="H4")
    assert (fault.value.code, fault.value.field) == (code, field)
    assert fault.value.line == 1


def test_a_file_without_candles_is_refused(write: Write) -> None:
    with pytest.raises(InvalidCandleFile, match=r"candles\.csv") as fault:
        read_candle_file(write([]), timeframe="H4")
    assert (fault.value.code, fault.value.line) == ("missing", None)


@pytest.mark.parametrize(
    ("content", "line", "code"),
    [
        (b"time,open,high,low,close\n2025-01-06T00:00:00Z,1,1,1,1\n\xff\n", 3, "not-utf-8"),
        (b'time,open,high,low,close\n2025-01-06T00:00:00Z,1,1,1,"1\n', 2, "not-csv"),
        (gzip.compress(b"time,open,high,low,close\n", mtime=0)[:-4], None, "not-readable"),
        (b"\x1f\x8bnothing of the kind", None, "not-readable"),
        (gzip.compress(b"time,open,high,low,close\n" * 99, mtime=0)[:20] + b"damage" * 9, None, "not-utf-8"),
    ],
)
def test_a_file_that_is_not_csv_is_refused(tmp_path: Path, content: bytes, line: int | None, code: str) -> None:
    path = tmp_path / "candles.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidCandleFile) as fault:
        read_candle_file(path, timeframe="H4")
    assert (fault.value.code, fault.value.path, fault.value.line) == (code, str(path), line)


def test_the_error_names_the_line_of_an_undecodable_byte(write: Write, rows: list[str]) -> None:
    path = write(rows)
    good = path.read_bytes()
    path.write_bytes(good + b"\n" * 50_000 + b"\xff")
    with pytest.raises(InvalidCandleFile) as fault:
        read_candle_file(path, timeframe="H4")
    assert fault.value.line == good.count(b"\n") + 50_001


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.csv", ENOENT), (tmp_path, EISDIR)):
        with pytest.raises(InvalidCandleFile, match=strerror(reason)) as fault:
            read_candle_file(path, timeframe="H4")
        assert (fault.value.code, fault.value.path) == ("not-readable", str(path))

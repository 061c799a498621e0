import copy
import pickle
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.domain.timeframe import Timeframe
from signalpost.errors import InvalidValue

LONGEST = timedelta(weeks=52)


@pytest.mark.parametrize(
    ("canonical", "spellings"),
    [
        ("S5", ["S5", "5s", "5 sec", "5seconds", timedelta(seconds=5)]),
        ("M1", ["M1", "1m", "1min", "1", 1, "60s"]),
        ("M15", ["M15", "m15", "15m", "15min", "15 minutes", "15", 15, np.int64(15), np.uint8(15)]),
        ("H1", ["H", "H1", "h", "60", "1hr"]),
        ("H4", ["H4", "h4", "4h", "4H", "4 hours", "H04", " 240 ", "00240", 240, "240m", np.str_("H4")]),
        ("H4", [timedelta(hours=4), pd.Timedelta("4h"), Timeframe("H4")]),
        ("D", ["D", "d", "1D", "1d", "D1", "1day", "24h", 1440, "1440"]),
        ("D2", ["D2", "2d", "48h"]),
        ("W", ["W", "1w", "W1", "7d", "1 week"]),
        ("W52", ["52w", LONGEST]),
    ],
)
def test_spellings_of_equal_length_are_one_timeframe(canonical: str, spellings: list[str | int | timedelta]) -> None:
    for spelling in spellings:
        timeframe = Timeframe(spelling)
        assert type(timeframe) is Timeframe
        assert (timeframe, hash(timeframe)) == (canonical, hash(canonical))


@given(st.integers(1, int(LONGEST.total_seconds())))
def test_every_length_in_seconds_has_one_spelling_that_reads_back_as_that_length(seconds: int) -> None:
    length = timedelta(seconds=seconds)
    timeframe = Timeframe(length)
    assert timeframe.duration == length
    number, unit = timeframe[1:] or "1", timeframe[0].lower()
    units = {"s": "sec", "m": "min", "h": "hours", "d": "days", "w": "weeks"}
    for spelling in (str(timeframe), timeframe.lower(), f"{number}{unit}", f" {number} {units[unit]} ", f"{seconds}s"):
        assert Timeframe(spelling) == timeframe


@given(st.integers(1, 52 * 7 * 24 * 60).filter(lambda minutes: minutes & 0x3FFF >= 256 or minutes < 256))
def test_a_plain_number_is_minutes(minutes: int) -> None:
    assert Timeframe(minutes) == Timeframe(str(minutes)) == Timeframe(timedelta(minutes=minutes))


@pytest.mark.parametrize("text", ["M", "m", "1M", "3M", "1 M", "MN", "MN1", "1mo", "3 months", "mon"])
def test_months_are_refused_because_they_differ_in_length(text: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        Timeframe(text)
    assert (refusal.value.code, refusal.value.field) == ("no-fixed-length", "timeframe")


@pytest.mark.parametrize(
    "given",
    [
        *("", "4x", "h 4", "H4\0", "PT4H", "\u0664h", "\ud800", "0h", "H0", "0", "53w", "D365", "999999999"),
        *(0, -1, 10**8, 10**5000, True, 240.0, 1.5, None, b"H4", [], np.bool_(True), np.timedelta64(4, "h")),
        *(timedelta(), -timedelta(hours=4), timedelta(microseconds=1), timedelta.max, timedelta.min, pd.NaT),
        *(LONGEST + timedelta(seconds=1), pd.Timedelta("4h") + pd.Timedelta(1, "ns")),
    ],
    ids=lambda given: type(given).__name__,
)
def test_an_invalid_timeframe_is_refused_in_a_short_error(given: object) -> None:
    with pytest.raises(InvalidValue) as refusal:
        Timeframe(given)  # type: ignore[arg-type]
    assert (refusal.value.code, refusal.value.field) == ("unknown-word", "timeframe")
    assert len(str(refusal.value)) < 200


def test_a_timeframe_survives_copying_and_its_repr_shows_its_type() -> None:
    timeframe = Timeframe("4h")
    for twin in (copy.copy(timeframe), copy.deepcopy(timeframe), pickle.loads(pickle.dumps(timeframe))):
        assert (type(twin), twin) == (Timeframe, timeframe)
    assert repr(timeframe) == "Timeframe('H4')"
    assert f"{timeframe}" == "H4"


@pytest.mark.parametrize("number", [16384, 16389, 16409, 32768, 32770, 49152, 49154, 49164])
def test_an_unknown_constant_of_metatrader_is_refused(number: int) -> None:
    for spelling in (number, str(number)):
        with pytest.raises(InvalidValue) as refusal:
            Timeframe(spelling)
        assert getattr(refusal.value, "code", None) == "unknown-word"


@pytest.mark.parametrize(("minutes", "canonical"), [(20160, "W2"), (17280, "D12"), (33120, "D23"), (43200, "D30")])
def test_whole_days_in_minutes_are_read(minutes: int, canonical: str) -> None:
    assert Timeframe(minutes) == canonical

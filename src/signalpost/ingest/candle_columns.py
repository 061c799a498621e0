"""The columns of a candle file: their names and separators, and the opening time of a row's candle. Pure."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from signalpost.domain.instant import from_iso, utc
from signalpost.domain.levels import plain_name
from signalpost.domain.spellings import FieldNames
from signalpost.errors import Fault, InvalidValue

COLUMNS = ("time", "open", "high", "low", "close")
SEPARATORS = (",", ";", "\t", "|")
SEPARATORS_IN_WORDS = "commas, semicolons, tabs or '|'"
_NAMES = FieldNames(
    {
        # Of the names for the opening time, the clearest come first.
        "time": (
            ("time",),
            ("open_time", "candle_time"),
            ("gmt_time", "time_gmt", "utc_time", "time_utc", "datetime_utc", "date_utc"),
            ("timestamp",),
            ("datetime", "date_time"),
            ("date",),
            ("unix", "unixtime", "ts"),
            ("local_time", "time_local"),
        ),
        "open": (("open",), ("o", "open_price"), ("mid_o",)),
        "high": (("high",), ("h", "high_price"), ("mid_h",)),
        "low": (("low",), ("l", "low_price"), ("mid_l",)),
        "close": (("close",), ("c", "close_price"), ("mid_c",)),
        "volume": (("volume",), ("vol", "v"), ("tick_volume", "tickvol")),
    }
)
_DAY = "day"
_IN_UTC = "time in UTC"
"""Extra keys in the answer of `columns_of`. `_DAY`: the `date` column, if there is one in addition to a `time` column.
`_IN_UTC`: the time column, if its name says UTC or GMT."""
_EXCEL_SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>[^"\r\n])"?\s*', re.IGNORECASE)
_LONGEST_LOOKED_AT = 1000
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?:Z|[+-]\d{2}:?\d{2})?", re.ASCII)
_DUKASCOPY = re.compile(
    r"(\d{2})\.(\d{2})\.(\d{4}) (\d{2}:\d{2}:\d{2}(?:\.\d+)?)(?: GMT([+-]\d{2}):?(\d{2}))?", re.ASCII
)


def declared_separator(line: str) -> str | None:
    """The separator in a first line such as `sep=;`, which Excel writes; None for any other line."""
    found = _EXCEL_SEPARATOR_LINE.fullmatch(line)
    return None if found is None else found["separator"]


def separator_of(header: str) -> str:
    """The separator that splits the first line of a file into the most columns."""
    return max(SEPARATORS, key=lambda separator: _count(header, separator))


def columns_of(header: Sequence[str], line: str = "") -> dict[str, int]:
    """The index of each column. Raises InvalidValue with every missing required column and every repeated one.

    Unknown columns are ignored. If a column is there under several names, the clearest one counts. `line` is the
    unsplit header: if columns are missing and it seems to use an unsupported separator, only that is reported.
    """
    indexes = _indexes_by_column(header)
    missing = [name for name in COLUMNS if name not in indexes]
    if missing and (other := _other_separator(line)) is not None:
        called = "spaces" if other == " " else f"{other!r}"
        text = f"columns separated by {called}, which is not supported"
        raise InvalidValue.of_all([Fault("wrong-separator", text, None, other, SEPARATORS_IN_WORDS)])
    faults = [Fault("missing", f"no column {name!r}", name, limit=",".join(_NAMES.spellings[name])) for name in missing]
    faults += [
        Fault("conflict", f"column {header[several[0]].strip()!r} twice", name)
        for name, several in indexes.items()
        if len(several) > 1
    ]
    if faults:
        raise InvalidValue.of_all(faults)
    columns = {name: several[0] for name, several in indexes.items()}
    names = [plain_name(cell.strip().strip("<>")) for cell in header]
    time = names[columns["time"]]
    if "date" in names and time == "time":
        columns[_DAY] = names.index("date")
    if "gmt" in time or "utc" in time:
        columns[_IN_UTC] = columns["time"]
    return columns


def opening_time(cells: Sequence[str], columns: Mapping[str, int]) -> datetime:
    """The opening time of a row's candle. Raises InvalidValue.

    Joins a day and a time of day in two columns, and accepts Dukascopy's `03.03.2025 09:00:00.000`. A time without a
    zone is accepted, as UTC, only if its column's name says so.
    """
    text = cells[columns["time"]].strip()
    if _DAY in columns and _TIME_OF_DAY.fullmatch(text):
        text = f"{cells[columns[_DAY]].strip().replace('.', '-').replace('/', '-')}T{text}"
    elif found := _DUKASCOPY.fullmatch(text):
        day, month, year, time, offset_hours, offset_minutes = found.groups()
        text = f"{year}-{month}-{day}T{time}{f'{offset_hours}:{offset_minutes}' if offset_hours else ''}"
    if _IN_UTC in columns:
        with suppress(ValueError):
            read = from_iso(text)
            return utc(read if read.tzinfo else read.replace(tzinfo=UTC), "time")
    try:
        return utc(text, "time")
    except InvalidValue as error:
        if error.code != "no-time-zone":
            raise
        advice = (
            "it has no time zone. Convert the times to UTC and add 'Z' to each; as they are, they could be those of "
            "MetaTrader's server, or of another computer"
        )
        raise InvalidValue.of("time", text, advice, code=error.code) from None


def _count(header: str, separator: str) -> int:
    return len(_indexes_by_column(header.replace('"', "").split(separator)))


def _other_separator(line: str) -> str | None:
    """An unsupported character that seems to separate the columns of a line; None if not found."""
    line = line[:_LONGEST_LOOKED_AT].replace("\u00a0", " ")
    others = dict.fromkeys(each for each in line if not each.isalnum() and each not in "_<>\"'.-\r\n")
    best = max(others, key=lambda each: _count(line, each), default=None)
    return best if best is not None and best not in SEPARATORS and _count(line, best) > 1 else None


def _indexes_by_column(header: Sequence[str]) -> dict[str, list[int]]:
    """The indexes of the clearest name of each column: several if that name is repeated."""
    ranked: dict[str, dict[tuple[int, str], list[int]]] = {}
    for at, cell in enumerate(header):
        name = cell.strip().strip("<>")
        if (place := _NAMES.place(name)) is not None:
            ranked.setdefault(place.field, {}).setdefault((place.rank, plain_name(name)), []).append(at)
    return {field: by_name[min(by_name)] for field, by_name in ranked.items()}

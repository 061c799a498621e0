"""The names and the separators of a candle file's columns. Pure."""

from collections.abc import Sequence

from signalpost.domain.spellings import FieldNames, plain_name
from signalpost.errors import Fault, InvalidValue

COLUMNS = ("time", "open", "high", "low", "close")
SEPARATORS = (",", ";", "\t", "|")
_NAMES = FieldNames(
    {
        # The names that say most clearly that this is the candle's open come first.
        "time": (
            ("time",),
            ("open_time", "candle_time"),
            ("timestamp",),
            ("datetime", "date_time"),
            ("date",),
            ("unix", "unixtime", "ts"),
        ),
        "open": (("open",), ("o", "open_price")),
        "high": (("high",), ("h", "high_price")),
        "low": (("low",), ("l", "low_price")),
        "close": (("close",), ("c", "close_price")),
        "volume": (("volume",), ("vol", "v"), ("tick_volume", "tickvol")),
    }
)


def separator_of(header: str) -> str:
    """The separator that makes the most columns of a file's first line."""
    return max(SEPARATORS, key=lambda separator: len(_places(header.replace('"', "").split(separator))))


def columns_of(header: Sequence[str]) -> dict[str, int]:
    """Where each column is. Raises InvalidValue, naming each required one that is missing and each that is there twice.

    Columns of other names are passed over; of several names of one column, the clearest counts.
    """
    places = _places(header)
    faults = [
        Fault("missing", f"no column {name!r}", name, limit=",".join(_NAMES.spellings[name]))
        for name in COLUMNS
        if name not in places
    ]
    faults += [
        Fault("conflict", f"column {header[several[0]].strip()!r} twice", name)
        for name, several in places.items()
        if len(several) > 1
    ]
    if faults:
        raise InvalidValue.of_all(faults)
    return {name: several[0] for name, several in places.items()}


def _places(header: Sequence[str]) -> dict[str, list[int]]:
    """Where the clearest name of each column is, and where else the same name is."""
    ranked: dict[str, dict[tuple[int, str], list[int]]] = {}
    for at, cell in enumerate(header):
        name = cell.strip().strip("<>")
        if (place := _NAMES.place(name)) is not None:
            ranked.setdefault(place.field, {}).setdefault((place.rank, plain_name(name)), []).append(at)
    return {field: by_name[min(by_name)] for field, by_name in ranked.items()}

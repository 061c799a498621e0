"""The changes of a signal by their verbs, and the names of their fields. Pure."""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple

from signalpost.domain.change import CancelOrder, Change, Close, Fill, Update
from signalpost.domain.exact import whole
from signalpost.domain.making import make
from signalpost.domain.sent import as_sent
from signalpost.domain.spellings import FieldNames, missing, read_fields
from signalpost.errors import Fault, shown

_LATEST_VERSION = 2**31 - 1
"""More than a signal ever has."""
_STAND_IN = 1
"""Replaces a required field that is missing, so that the others are checked too."""
_MOST_UNKNOWN = 100
"""How many unknown names of one request are reported: thousands would not help."""


class ReadChange(NamedTuple):
    """A change, and the version of the signal that it is for; None for any."""

    change: Change
    if_version: int | None


class _Verb(NamedTuple):
    build: Callable[..., Change]
    names: FieldNames
    required: tuple[str, ...] = ()


def _verb(build: Callable[..., Change], *fields: tuple[str, ...], required: tuple[str, ...] = ()) -> _Verb:
    every = (*fields, ("at", "time"), ("if_version",))
    return _Verb(build, FieldNames({names[0]: (names,) for names in every}), required)


VERBS: Mapping[str, _Verb] = {
    "update": _verb(
        Update,
        ("stop_loss", "stop", "sl"),
        ("take_profit", "target", "tp"),
        ("targets",),
        ("target_hit",),
        ("close_part", "close"),
        ("price",),
        ("note",),
    ),
    "fill": _verb(Fill, ("price",), required=("price",)),
    "close": _verb(Close, ("price",), ("reason",)),
    "cancel": _verb(CancelOrder, ("reason",)),
}
"""The changes that a program can make of a signal by its id."""


def read_change(verb: str, data: Mapping[str, Any]) -> ReadChange:
    """The change from its fields, under their own or their usual names. Raises InvalidValue with all faults.

    Unknown names are faults: otherwise a misspelled field would be lost, and the rest would happen.
    """
    build, names, required = VERBS[verb]
    read = read_fields(data.items(), names)
    read = read._replace(faults=(*read.faults, *_unknown(read.unknown, names)))

    def made(if_version: object = None, **fields: Any) -> ReadChange:
        version = version_of(if_version)
        return ReadChange(build(**fields), version)

    return make(made, read, {field: missing(field, names) for field in required}, dict.fromkeys(required, _STAND_IN))


def version_of(value: object) -> int | None:
    """The version of a signal; None for any. Raises InvalidValue for anything else."""
    return None if value is None else whole(value, "if_version", most=_LATEST_VERSION)


def _unknown(sent: Iterable[str], names: FieldNames) -> Iterable[Fault]:
    known = ", ".join(each[1] if len(each) > 1 else each[0] for each in names.spellings.values())
    for name in islice(sent, _MOST_UNKNOWN):
        yield Fault(
            "unknown-field", f"{shown(name)} is not a field here: use {known}", as_sent(name), shown(name), known
        )

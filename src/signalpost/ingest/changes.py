"""The changes of a signal by their verbs, and the names of their fields. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple

from signalpost.domain.change import CancelOrder, Change, Close, Fill, Update
from signalpost.domain.exact import whole
from signalpost.domain.levels import is_zero
from signalpost.domain.making import make
from signalpost.domain.sent import as_sent
from signalpost.domain.spellings import FieldNames, FoundFields, missing, read_fields
from signalpost.errors import Fault, InvalidValue, shown

_LATEST_VERSION = 2**31 - 1
"""More than a signal ever has."""
_STAND_IN = 1
"""Replaces a required field that is missing, so that the others are checked too."""
_LEVELS = ("stop_loss", "take_profit")
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
"""The changes that a program can make to a signal by its id."""


def read_change(verb: str, data: Mapping[str, Any]) -> ReadChange:
    """The change from its fields, under their own or their usual names. Raises InvalidValue with all faults.

    Unknown names are faults: otherwise a misspelled field would be ignored, and the rest applied.
    """
    build, names, required = VERBS[verb]
    read = read_fields(data.items(), names)
    read = read._replace(faults=(*read.faults, *_unknown(read.unknown, names), *_zeros(data, names)))

    def made(if_version: object = None, **fields: Any) -> ReadChange:
        version = version_of(if_version)
        return ReadChange(build(**fields), version)

    faults = {field: missing(field, names) for field in required}
    try:
        return make(made, read, faults, dict.fromkeys(required, _STAND_IN))
    except InvalidValue as error:
        raise InvalidValue.of_all([_in_usual_words(each, read, names) for each in error.errors]) from None


def version_of(value: object) -> int | None:
    """The version of a signal; None for any. Raises InvalidValue for anything else."""
    return None if value is None else whole(value, "if_version", most=_LATEST_VERSION)


def _zeros(data: Mapping[str, Any], names: FieldNames) -> Iterable[Fault]:
    """A fault for each level that is 0. In a new signal that means none, but a change cannot remove a level."""
    for name, value in data.items():
        place = names.place(name)
        if place is not None and place.field in _LEVELS and is_zero(value):
            text = f"{shown(name)} is 0: use a price. A change moves a stop or a target, and cannot remove it"
            yield Fault("out-of-range", text, as_sent(name), shown(value), "not 0")


def _in_usual_words(fault: Fault, read: FoundFields, names: FieldNames) -> Fault:
    """`fault` with the names that programs send: those that were sent, and otherwise the usual ones."""
    if fault.field in read.called.values() or fault.field not in names.spellings:
        return fault
    text = fault.text
    usual = {field: spelled[min(1, len(spelled) - 1)] for field, spelled in names.spellings.items()}
    for field, word in usual.items():
        text = re.sub(rf"\b{field}\b", word, text) if "_" in field else text
    return fault._replace(field=usual[fault.field], text=text)


def _unknown(sent: Iterable[str], names: FieldNames) -> Iterable[Fault]:
    known = ", ".join(each[1] if len(each) > 1 else each[0] for each in names.spellings.values())
    for name in islice(sent, _MOST_UNKNOWN):
        yield Fault(
            "unknown-field", f"{shown(name)} is not a field here: use {known}", as_sent(name), shown(name), known
        )

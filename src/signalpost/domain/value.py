"""The base class of all values: frozen, hashable, lenient about input types, and convertible to JSON and back.

A value's constructor converts and validates (`__post_init__`). Its JSON has `kind`, prices as strings, and times that
end in `Z`. Unknown fields, such as those of a newer version, are ignored when read.
"""

from collections.abc import Callable, Container, Mapping
from fractions import Fraction
from typing import Any, Self, TypeVar

import msgspec

from signalpost.domain.context import Context
from signalpost.domain.instrument import Instrument
from signalpost.errors import Fault, InvalidValue


class Value(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """A frozen, hashable value. Its constructor raises InvalidValue with each invalid field and how to fix it."""

    def to_json(self) -> bytes:
        """This value as one line of UTF-8 JSON. `from_json` restores an equal value."""
        return encoded(self)

    def to_dict(self) -> dict[str, Any]:
        """This value as plain data: prices are strings, times ISO text ending in `Z`."""
        plain: dict[str, Any] = msgspec.to_builtins(self, enc_hook=_to_plain)
        return plain

    @classmethod
    def from_json(cls, data: bytes | str) -> Self:
        """Parse a value from JSON.

        Raises InvalidValue if `data` is not JSON, is of another kind, or is rejected by the constructor.
        """
        try:
            return msgspec.json.decode(data, type=cls, dec_hook=_from_plain)
        except _UNREADABLE as fault:
            raise InvalidValue(f"the JSON is not a valid {cls.__name__}: {fault}", code="unreadable") from fault

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Parse a value from the result of `to_dict`. Raises InvalidValue as `from_json` does."""
        try:
            return msgspec.convert(dict(data), type=cls, dec_hook=_from_plain)
        except _UNREADABLE as fault:
            raise InvalidValue(f"the data is not a valid {cls.__name__}: {fault}", code="unreadable") from fault

    def but(self, **changes: object) -> Self:
        """A copy with some fields changed, validated like a new value."""
        return msgspec.structs.replace(self, **changes)

    def _set(self, **fields: object) -> None:
        """Set fields of a frozen value; only for its constructor."""
        for name, value in fields.items():
            _set(self, name, value)


def encoded(data: object) -> bytes:
    """`data`, made of values or their parts, as one line of UTF-8 JSON."""
    return _encoder.encode(data)


def _to_plain(value: object) -> object:
    if isinstance(value, str):
        return value.symbol if type(value) is Instrument else str.__str__(value)
    if isinstance(value, Context):
        return dict(value.items())
    if isinstance(value, Fraction):
        return str(value)
    raise TypeError(f"cannot convert a {type(value).__name__} to JSON: remove it from the value")


def _from_plain(wanted: type, value: Any) -> object:
    return wanted(value)


_UNREADABLE = (msgspec.DecodeError, ValueError, TypeError, RecursionError)
_set = msgspec.structs.force_setattr
_encoder = msgspec.json.Encoder(enc_hook=_to_plain)


Read = TypeVar("Read")
Conversions = Mapping[str, Callable[[Any, str], object]]
"""For each field, the function that converts and checks it. It is called with the given value and the field's name."""


class Faults:
    """Collects the faults of a value while its fields are read."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: list[Fault] = []

    def read(self, convert: Callable[[Any, str], Read], value: object, name: str) -> Read | None:
        """`convert(value, name)`; None if it raises InvalidValue, whose faults are collected."""
        try:
            return convert(value, name)
        except InvalidValue as error:
            self.found += error.errors
            return None

    def fields(self, value: object, conversions: Conversions, never_none: Container[str] = ()) -> dict[str, Any]:
        """The converted fields of `value`. None means not set, except for fields in `never_none`."""
        read = {}
        for name, convert in conversions.items():
            given = getattr(value, name)
            if given is not None or name in never_none:
                try:  # without `read`: a call is too slow here
                    read[name] = convert(given, name)
                except InvalidValue as error:
                    self.found += error.errors
                    read[name] = None
        return read

    def raise_any(self) -> None:
        """Raise InvalidValue with all collected faults, if there are any."""
        if self.found:
            raise InvalidValue.of_all(self.found)


def fields_of(value: object, conversions: Conversions, never_none: Container[str] = ()) -> dict[str, Any]:
    """The converted fields of `value`, as in `Faults.fields`. Raises InvalidValue with all faults."""
    faults = Faults()
    read = faults.fields(value, conversions, never_none)
    faults.raise_any()
    return read

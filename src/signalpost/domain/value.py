"""The shape of every value: frozen, hashable, made from friendly input, and JSON both ways.

A value's constructor converts and checks (`__post_init__`); its JSON carries `kind`, prices as strings and times
that end in `Z`. Fields that a newer version added are ignored when read.
"""

from collections.abc import Mapping
from typing import Any, Self

import msgspec

from signalpost.domain.context import Context
from signalpost.domain.instrument import Instrument
from signalpost.errors import InvalidValue


class Value(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """A frozen, hashable value. Its constructor raises InvalidValue, saying which field and what to mend."""

    def to_json(self) -> bytes:
        """This value as one line of UTF-8 JSON, which `from_json` reads back as an equal value."""
        return encoded(self)

    def to_dict(self) -> dict[str, Any]:
        """This value as plain data: prices are strings, times ISO text that ends in `Z`."""
        plain: dict[str, Any] = msgspec.to_builtins(self, enc_hook=_to_plain)
        return plain

    @classmethod
    def from_json(cls, data: bytes | str) -> Self:
        """The value that `data` holds.

        Raises InvalidValue where it is no JSON, of another kind, or what the constructor would refuse.
        """
        try:
            return msgspec.json.decode(data, type=cls, dec_hook=_from_plain)
        except _UNREADABLE as fault:
            raise InvalidValue(f"no {cls.__name__} could be read from the JSON: {fault}", code="unreadable") from fault

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The value that `data`, as `to_dict` gives it, holds. Raises InvalidValue as `from_json` does."""
        try:
            return msgspec.convert(dict(data), type=cls, dec_hook=_from_plain)
        except _UNREADABLE as fault:
            raise InvalidValue(f"no {cls.__name__} could be read from the data: {fault}", code="unreadable") from fault

    def but(self, **changes: object) -> Self:
        """This value with some fields changed, checked as if it were made anew."""
        return msgspec.structs.replace(self, **changes)

    def _set(self, **fields: object) -> None:
        """Set fields of a value that is still being made."""
        for name, value in fields.items():
            _set(self, name, value)


def encoded(data: object) -> bytes:
    """`data`, which holds values or their parts, as one line of UTF-8 JSON."""
    return _encoder.encode(data)


def _to_plain(value: object) -> object:
    if isinstance(value, Instrument):
        return value.symbol
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Context):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in a value")


def _from_plain(wanted: type, value: Any) -> object:
    return wanted(value)


_UNREADABLE = (msgspec.DecodeError, ValueError, TypeError, RecursionError)
_set = msgspec.structs.force_setattr
_encoder = msgspec.json.Encoder(enc_hook=_to_plain)

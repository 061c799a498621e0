"""Reports all faults of a value in one error."""

from collections.abc import Callable, Container, Mapping
from typing import Any, TypeVar

from signalpost.errors import Fault, InvalidValue

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
                read[name] = self.read(convert, given, name)
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

"""All that is wrong with a value, in one error."""

from collections.abc import Callable, Container, Mapping
from typing import Any, TypeVar

from signalpost.errors import Fault, InvalidValue

Read = TypeVar("Read")
Conversions = Mapping[str, Callable[[Any, str], object]]
"""For each field of a value, what converts and checks it: called with what was given and the field's name."""


class Faults:
    """Collects the faults of a value's fields while they are read."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: list[Fault] = []

    def read(self, convert: Callable[[Any, str], Read], value: object, name: str) -> Read | None:
        """`convert(value, name)`; None if it raises InvalidValue, whose faults are kept."""
        try:
            return convert(value, name)
        except InvalidValue as error:
            self.found += error.errors
            return None

    def fields(self, value: object, conversions: Conversions, never_none: Container[str] = ()) -> dict[str, Any]:
        """The fields of `value` that were given, converted; None is an ordinary value of those in `never_none`."""
        read = {}
        for name, convert in conversions.items():
            given = getattr(value, name)
            if given is not None or name in never_none:
                read[name] = self.read(convert, given, name)
        return read

    def raise_any(self) -> None:
        """Raise InvalidValue with everything that was found, if anything was."""
        if self.found:
            raise InvalidValue.of_all(self.found)


def fields_of(value: object, conversions: Conversions, never_none: Container[str] = ()) -> dict[str, Any]:
    """The fields of `value` that were given, converted. Raises InvalidValue with everything that is wrong."""
    faults = Faults()
    read = faults.fields(value, conversions, never_none)
    faults.raise_any()
    return read

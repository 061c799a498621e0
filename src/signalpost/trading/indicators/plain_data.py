"""Reading an indicator's saved state, which came from a store and may be damaged."""

from collections.abc import Mapping
from typing import Any

from signalpost.errors import InvalidSnapshot

Snapshot = dict[str, Any]
"""Plain data: what JSON can hold. Whole numbers beyond 64 bits are written as text."""


def whole(saved: Mapping[str, Any], name: str) -> int:
    """The whole number saved under `name`, which large ones are as text."""
    value = saved.get(name)
    if isinstance(value, str) and value.removeprefix("-").isdigit() and value.isascii():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise InvalidSnapshot(f"{name} is {value!r} where a whole number was saved: rebuild the state from its origin")


def whole_or_none(saved: Mapping[str, Any], name: str) -> int | None:
    """The whole number saved under `name`, or None where None was saved."""
    return None if name in saved and saved[name] is None else whole(saved, name)


def wholes(saved: Mapping[str, Any], name: str, *, at_most: int) -> list[int]:
    """The list of at most `at_most` whole numbers saved under `name`."""
    values = saved.get(name)
    if isinstance(values, list) and len(values) <= at_most and all(type(value) is int for value in values):
        return values
    raise InvalidSnapshot(f"{name} is not a list of at most {at_most} whole numbers: rebuild the state from its origin")


def part(saved: Mapping[str, Any], name: str) -> Snapshot:
    """The plain data saved under `name`."""
    value = saved.get(name)
    if isinstance(value, dict):
        return value
    raise InvalidSnapshot(f"{name} is missing from the saved state: rebuild the state from its origin")

"""Saved state as plain data: sealed with a checksum and validated when read, because a store may damage it."""

import json
from collections.abc import Mapping
from hashlib import blake2b
from reprlib import repr as short
from typing import Any

from signalpost.errors import InvalidSnapshot

Snapshot = dict[str, Any]
"""Plain data for JSON. Fixed-point numbers, which are long, are written as text."""

_MOST_DIGITS = 100
_REBUILD = "replay all candles from the first one"


def sealed(state: Snapshot) -> Snapshot:
    """`state` with a checksum, which `unsealed` verifies."""
    return {**state, "checksum": _checksum(state)}


def unsealed(saved: Mapping[str, Any]) -> Snapshot:
    """The state that was sealed. Raises InvalidSnapshot if anything in it has changed."""
    state = {name: value for name, value in saved.items() if name != "checksum"}
    try:
        intact = saved.get("checksum") == _checksum(state)
    except (TypeError, ValueError, RecursionError):  # such data cannot come from JSON
        intact = False
    if not intact:
        raise InvalidSnapshot(f"the saved state does not match its checksum: {_REBUILD}", code="wrong-checksum")
    return state


def whole(saved: Mapping[str, Any], name: str) -> int:
    """The integer saved under `name`; long ones are saved as text."""
    value = saved.get(name)
    if isinstance(value, str) and len(value) <= _MOST_DIGITS and value.isascii() and value.removeprefix("-").isdigit():
        return int(value)
    if type(value) is int:
        return value
    text = f"{name} is {short(value)}, which is not a whole number: {_REBUILD}"
    raise InvalidSnapshot(text, code="not-a-number", field=name, value=short(value))


def whole_or_none(saved: Mapping[str, Any], name: str) -> int | None:
    """The integer or None saved under `name`."""
    return None if name in saved and saved[name] is None else whole(saved, name)


def wholes(saved: Mapping[str, Any], name: str, *, at_most: int) -> list[int]:
    """A copy of the list of integers saved under `name`, at most `at_most` long."""
    values = saved.get(name)
    if isinstance(values, list) and len(values) <= at_most and all(type(value) is int for value in values):
        return values.copy()
    text = f"{name} is not a list of at most {at_most} whole numbers: {_REBUILD}"
    raise InvalidSnapshot(text, code="not-a-list", field=name, value=short(values), limit=str(at_most))


def part(saved: Mapping[str, Any], name: str) -> Snapshot:
    """The plain data saved under `name`."""
    value = saved.get(name)
    if isinstance(value, dict):
        return value
    raise InvalidSnapshot(f"{name} is missing from the saved state, or damaged: {_REBUILD}", code="missing", field=name)


def _checksum(state: Snapshot) -> str:
    text = json.dumps(state, sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=8).hexdigest()

"""Names and values as a sender wrote them, in errors. Pure."""

import re

from signalpost.errors import Fault, shown

_LONGEST_NAME = 60
_UNFILLED = re.compile(r"\{\{|\}\}")
_FREE_TEXT = frozenset({"text", "message"})
"""Fields whose text may mention a placeholder. Text that is only a placeholder is still a fault."""


def as_sent(name: str) -> str:
    """`name` for an error: one line, shortened."""
    return name if name.isprintable() and len(name) <= _LONGEST_NAME else shown(name)


def unfilled(name: str, value: object, field: str = "") -> Fault | None:
    """The fault of a `value` that is an unfilled placeholder of a template; None for any other."""
    if not isinstance(value, str) or not _UNFILLED.search(value):
        return None
    text = value.strip()
    if field in _FREE_TEXT and not (text.startswith("{{") and text.endswith("}}")):
        return None
    return Fault(
        "placeholder",
        f"{name} is {shown(value)}: this placeholder was not replaced by a value. Send the value itself, or omit "
        f"{name} if it is optional",
        name,
        shown(value),
    )


def differs(first: str, one: object, name: str, other: object) -> Fault:
    """The fault of two names of one field with different values: `first` with `one`, and `name` with `other`."""
    text = f"{name} is {shown(other)} and {first} is {shown(one)}: both set the same field. Send only one of them"
    return Fault("conflict", text, name, shown(other), f"{first}: {shown(one)}")

"""Enumerations of words that accept any case and list their members in errors."""

from enum import Enum, StrEnum
from typing import TypeVar

from signalpost.errors import InvalidValue, as_text

Member = TypeVar("Member", bound=Enum)


class Word(StrEnum):
    """An enumeration of words, read in upper or lower case."""

    @classmethod
    def _missing_(cls, value: object) -> "Word":
        return named(cls, value)


def member(kind: type[Member], value: object, name: str) -> Member:
    """The member of `kind` for `value`; `name` is the field in errors.

    Raises InvalidValue, listing the members.
    """
    if type(value) is kind:
        return value
    if isinstance(value, bool):  # True would be read as 1, False as 0
        raise _refusal(kind, value, name)
    try:
        return kind(value)
    except ValueError:  # ours, or Enum's own if it cannot print the value
        raise _refusal(kind, value, name) from None


def named(kind: type[Member], value: object) -> Member:
    """The member of `kind` named `value`, in any case. Raises InvalidValue, listing the members."""
    word = as_text(value).strip().upper()
    if word not in kind.__members__:
        raise _refusal(kind, value, kind.__name__)
    return kind.__members__[word]


def _refusal(kind: type[Enum], value: object, name: str) -> InvalidValue:
    known = ", ".join(each.value if isinstance(each.value, str) else each.name for each in kind)
    return InvalidValue.of(name, value, f"use one of {known}", code="unknown-word", limit=known)

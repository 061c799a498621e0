"""Closed lists of words: enumerations that take any case, and say what they know when they refuse."""

from enum import Enum, StrEnum
from typing import TypeVar

from signalpost.errors import InvalidValue

Member = TypeVar("Member", bound=Enum)


class Word(StrEnum):
    """An enumeration of words, read without regard to case."""

    @classmethod
    def _missing_(cls, value: object) -> "Word | None":
        word = str(value).strip().upper()
        return next((member for member in cls if member.name == word), None)


def member(kind: type[Member], value: object, name: str) -> Member:
    """The member of `kind` that `value` means; `name` is how an error calls it.

    Raises InvalidValue listing the members.
    """
    if type(value) is kind:
        return value
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(str(each.value) if isinstance(each.value, str) else each.name for each in kind)
        raise InvalidValue(f"{name} is {str(value)[:40]!r}: give one of {known}") from None

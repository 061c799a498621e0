"""Assertions about errors: their codes and facts, never their wording."""

from typing import NamedTuple


class Facts(NamedTuple):
    """One fault of an error without its text."""

    code: str
    field: str | None = None
    value: str | None = None
    limit: str | None = None


def facts_of(error: BaseException) -> list[Facts]:
    """The facts of each fault in `error`; none if it has no codes, as in sources from before they existed."""
    faults = getattr(error, "errors", ())
    return [Facts(fault.code, fault.field, fault.value, fault.limit) for fault in faults]

"""What a contract test demands: AssertionError says which promise is broken."""

from typing import Any


def same(name: str, found: Any, expected: Any) -> None:
    """Raise AssertionError if the two differ."""
    demand(found == expected, f"{name} is {found!r} instead of {expected!r}")


def demand(kept: bool, broken: str) -> None:  # noqa: FBT001  # the first argument reads as the claim
    """Raise AssertionError if a promise was not kept."""
    if not kept:
        raise AssertionError(broken)

"""What somebody may have meant who wrote a name that is not known."""

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that looks most like `name`; None where none is near."""
    from difflib import get_close_matches  # loaded when something is wrong

    return next(iter(get_close_matches(name[:60], known, n=1, cutoff=0.7)), None)


def advice(name: str, known: Iterable[str]) -> str:
    """`did you mean ...?` with the nearest name, or all that are known where none is near."""
    names = list(known)
    return f"did you mean {near}?" if (near := nearest(name, names)) else f"known are {', '.join(names)}"

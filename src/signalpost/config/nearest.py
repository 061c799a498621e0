"""What somebody may have meant who wrote a name that is not known."""

from collections.abc import Iterable


def advice(name: str, known: Iterable[str]) -> str:
    """`did you mean ...?` with the nearest name, or all that are known where none is near."""
    from difflib import get_close_matches  # loaded when something is wrong

    names = list(known)
    near = get_close_matches(name[:60], names, n=1, cutoff=0.7)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"

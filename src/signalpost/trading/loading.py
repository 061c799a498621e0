"""Finds the class of a strategy or a feed: one of ours by its name, or your own by its path."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from signalpost.errors import InvalidConfiguration, shown
from signalpost.secret import redacted


def class_of(kind: object, ours: Mapping[str, str]) -> type[Any]:
    """The class of a `kind`: a name in `ours`, or a path such as `my_bot.breakout:Breakout`, which is imported now.

    Raises InvalidConfiguration, with the field `kind`, if there is no such class.
    """
    known = ", ".join(ours)
    if not isinstance(kind, str) or not (kind in ours or "." in kind or ":" in kind):
        near = next(iter(get_close_matches(str(kind), ours, n=1)), None)
        hint = f"did you mean {near!r}?" if near else f"use one of {known}, or the path of your own class"
        raise InvalidConfiguration.of("kind", kind, hint, code="unknown-word", limit=known)
    path = ours.get(kind, kind)
    module, separator, name = path.partition(":")
    if not separator:
        module, _, name = path.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except Exception as fault:  # noqa: BLE001  # whatever a user's module raises when it is imported
        why = f"{type(fault).__name__}: {redacted(str(fault))}"
    else:
        if isinstance(found, type):
            return found
        why = "it is not a class"
    # Raised out here: an error of a user's module must not be the context of this one.
    advice = "use the path of a class, such as my_bot.breakout:Breakout"
    text = f"kind is {shown(kind)}, which cannot be used ({why}): {advice}"
    raise InvalidConfiguration(text, code="not-loadable", field="kind", value=shown(kind))

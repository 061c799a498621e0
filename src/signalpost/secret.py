"""Values that never show themselves: a webhook's token, a key, a password.

A `Secret` is masked wherever text is made of it; only `reveal` gives it away. `redacted` masks what could stand in a
text of somebody else: the path of any webhook, and every secret that is alive in this process. `described` makes one
line of an exception that nobody expected, masked in the same way; values of variables, which may hold what was sent,
are never part of it.
"""

import re
from collections.abc import Iterator
from hmac import compare_digest
from pathlib import PurePath
from traceback import walk_tb
from typing import NoReturn, Self
from weakref import WeakValueDictionary

MASK = "***"

_SHORTEST_KNOWN = 8
"""Shorter secrets are not looked for in texts: they would mask words that are none of theirs."""
_WEBHOOK_PATH = re.compile(r"(/webhooks/[^/?\s]+/)[^/?\s\"'<>]+", re.IGNORECASE)
_LONGEST_TEXT = 500
_MOST_FRAMES = 12
_MOST_CAUSES = 3
_known: "WeakValueDictionary[int, Secret]" = WeakValueDictionary()


class Secret:
    """A text that shows as `***`, cannot be pickled, and is given away by `reveal` alone."""

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        if len(value) >= _SHORTEST_KNOWN:
            _known[id(self)] = self

    def reveal(self) -> str:
        """The text itself. Use it in the expression that needs it; a variable would show it in a traceback."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return compare_digest(*(each._value.encode(errors="surrogatepass") for each in (self, other)))

    def __hash__(self) -> int:
        return hash(self._value)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled: it would be readable in the file; reveal and encrypt it yourself")


def redacted(text: str) -> str:
    """`text` with the token of every webhook's path and every living `Secret` of 8 characters or more masked.

    In small and capital letters alike. A text is masked before it is cut: of a secret that is cut, the rest would show.
    """
    masked = _WEBHOOK_PATH.sub(rf"\1{MASK}", text)
    folded = masked.casefold()
    alive = [secret for reference in _known.valuerefs() if (secret := reference()) is not None]
    for secret in sorted(alive, key=lambda each: -len(each.reveal())):  # the longer first: one may hold another
        if secret.reveal().casefold() in folded:  # which is soon told, and hardly any is there: a pattern takes longer
            masked = re.sub(re.escape(secret.reveal()), MASK, masked, flags=re.IGNORECASE)
    return masked


def described(fault: BaseException, *, with_text: bool = True) -> str:
    """One line: kind and text of `fault`, its frames as `file:line function` (innermost last), and its causes.

    Leave the text out if it may quote a secret that is not known to this process.
    """
    return "; caused by ".join(_one(each, with_text=with_text) for each in _chain(fault))


def _chain(fault: BaseException) -> Iterator[BaseException]:
    each: BaseException | None = fault
    for _ in range(_MOST_CAUSES):
        if each is None:
            return
        yield each
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


def _one(fault: BaseException, *, with_text: bool) -> str:
    kind, text, frames = type(fault).__name__, _text(fault) if with_text else "", " > ".join(_frames(fault))
    return kind + (f": {text}" if text else "") + (f" [{frames}]" if frames else "")


def _frames(fault: BaseException) -> list[str]:
    """Read from the code objects alone, because `traceback` would open source files."""
    found = [(frame.f_code, line) for frame, line in walk_tb(fault.__traceback__)]
    return [f"{_file(code.co_filename)}:{line} {code.co_name}" for code, line in found[-_MOST_FRAMES:]]


def _file(path: str) -> str:
    return "/".join(PurePath(path).parts[-2:])  # the folder too, because many files are called __init__.py


def _text(fault: BaseException) -> str:
    try:
        text = str(fault)
    except Exception:  # noqa: BLE001  # an exception that cannot be shown must not hide that it was raised
        return "(its text cannot be shown)"
    masked = redacted(text)[:_LONGEST_TEXT]  # masked first: of a secret that is cut, the rest would show
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in masked).strip()

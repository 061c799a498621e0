"""Secrets that are masked wherever they are printed: a webhook's token, a key, a password.

A `Secret` is masked in every conversion to text; only `reveal` returns its value. `redacted` masks secrets in other
text: the token in a webhook's path, and every `Secret` that still exists in this process. `described` formats an
unexpected exception as one line, masked in the same way. It never contains the values of variables, because they may
be confidential.
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
"""Shorter secrets are not masked in other text: masking them would also hide ordinary words."""
_WEBHOOK_PATH = re.compile(r"(/webhooks/[^/?\s]+/)[^/?\s\"'<>]+", re.IGNORECASE)
_LONGEST_TEXT = 500
_MOST_FRAMES = 12
_MOST_CAUSES = 3
_known: "WeakValueDictionary[int, Secret]" = WeakValueDictionary()
"""All existing secrets that are long enough to be masked."""


class Secret:
    """Text that is printed as `***` and cannot be pickled. Only `reveal` returns it."""

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        if len(value) >= _SHORTEST_KNOWN:
            _known[id(self)] = self

    def reveal(self) -> str:
        """The value itself. Use it directly in an expression: a variable would appear in tracebacks."""
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
        raise TypeError(
            "a Secret cannot be pickled: the file would show it. Encrypt `secret.reveal()` yourself instead"
        )


def redacted(text: str) -> str:
    """Mask the token of every webhook path and every existing `Secret` of at least 8 characters in `text`.

    Case is ignored. Always mask a text before cutting it: part of a cut secret would not be recognised.
    """
    masked = _WEBHOOK_PATH.sub(rf"\1{MASK}", text)
    folded = masked.casefold()
    alive = [secret for reference in _known.valuerefs() if (secret := reference()) is not None]
    for secret in sorted(alive, key=lambda each: -len(each.reveal())):  # longer ones first: one may contain another
        if secret.reveal().casefold() in folded:  # cheap test: most texts contain no secret, and a regex is slower
            masked = re.sub(re.escape(secret.reveal()), MASK, masked, flags=re.IGNORECASE)
    return masked


def described(fault: BaseException, *, with_text: bool = True) -> str:
    """One line: class and text of `fault`, its frames as `file:line function` (innermost last), and its causes.

    Pass `with_text=False` if the exception's text may contain a secret that is not a `Secret` object.
    """
    return "; caused by ".join(_formatted(each, with_text=with_text) for each in _chain(fault))


def _chain(fault: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = fault
    for _ in range(_MOST_CAUSES):
        if current is None:
            return
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _formatted(fault: BaseException, *, with_text: bool) -> str:
    kind, text, frames = type(fault).__name__, _text(fault) if with_text else "", " > ".join(_frames(fault))
    return kind + (f": {text}" if text else "") + (f" [{frames}]" if frames else "")


def _frames(fault: BaseException) -> list[str]:
    """The innermost frames as `file:line function`. Not made with `traceback`, which opens source files."""
    found = [(frame.f_code, line) for frame, line in walk_tb(fault.__traceback__)]
    return [f"{_file(code.co_filename)}:{line} {code.co_name}" for code, line in found[-_MOST_FRAMES:]]


def _file(path: str) -> str:
    return "/".join(PurePath(path).parts[-2:])  # with the folder, because many files are called __init__.py


def _text(fault: BaseException) -> str:
    try:
        text = str(fault)
    except Exception:  # noqa: BLE001  # a broken __str__ must not hide the exception
        return "(text unavailable)"
    masked = redacted(text)[:_LONGEST_TEXT]  # mask before cutting
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in masked).strip()

"""Values that never show themselves: a webhook's token, a key, a password.

A `Secret` is masked wherever text is made of it; only `reveal` gives it away. `redacted` masks what could stand in a
text of somebody else: the path of any webhook, and every secret that is alive in this process.
"""

import re
from hmac import compare_digest
from typing import NoReturn, Self
from weakref import WeakValueDictionary

MASK = "***"

_SHORTEST_KNOWN = 8
"""Shorter secrets are not looked for in texts: they would mask words that are none of theirs."""
_WEBHOOK_PATH = re.compile(r"(/webhooks/[^/?\s]+/)[^/?\s\"'<>]+", re.IGNORECASE)
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

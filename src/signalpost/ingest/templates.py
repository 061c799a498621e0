"""Parses filled templates: words for a missing value, names inside objects, and text that is not JSON. Pure."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from signalpost.domain.levels import level_of, plain_name
from signalpost.domain.sent import as_sent
from signalpost.errors import Fault, InvalidValue, shown
from signalpost.secret import redacted

_MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "undefined", "-"})
_IDS = frozenset(plain_name(name) for name in ("id", "signal_id", "alert_id"))
_OF_THE_MESSAGE = _IDS | {plain_name(name) for name in ("priority", "user_tier", "tier", "context")}
"""Names that count only in the message itself: inside an object they belong to that object."""
_OWN_TO = {
    "order": frozenset(("price", "action", "limit")),
    "position": frozenset(("price", "avgprice", "averageprice", "average", "size")),
}
"""Names that are read as the order's or the position's inside an object of that name."""
_WHOLE = frozenset(("context", "entryzone", "entryrange"))
"""Objects that are values themselves."""
_DEPTH = 2
_LONGEST_LOOKED_AT = 500
_PASSWORD = re.compile(r"((?:pass|secret|token|key|pin|auth)\w{0,20}\W{1,4})[^\s,;&\"']+", re.IGNORECASE)
_BARE_PLACEHOLDER = re.compile(r'"(?:[^"\\]|\\.)*"?|(?P<bare>\{\{[^{}]*\}\})', re.DOTALL)
"""Quoted text, which is skipped, or a placeholder outside quotes."""
_PAIR = re.compile(r"""(?P<name>[\w.]+)\s*=\s*(?:"(?P<quoted>[^"\n]*)"|(?P<plain>[^\s,;"]*))\s*[,;]?\s*""")


class _Given(NamedTuple):
    owner: Mapping[str, Any]
    """The object that contains it."""
    name: str
    value: Any


class Template:
    """The names and values of a filled template.

    Names inside objects count like those of the message, which have precedence. Names that belong to the object itself,
    such as its id or tier, are ignored. Inside an object called `order` or `position`, `price` and similar names are
    the order's or the position's. Missing values are dropped. `context` and an entry zone are kept whole, and so is an
    object of levels, such as `targets`, unless the names in it are levels too.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._given: dict[str, list[_Given]] = {}
        for plain, given in _flat(data, "", 0):
            several = self._given.setdefault(plain, [])
            if not several or several[0].owner is given.owner:
                several.append(given)

    def pairs(self) -> Iterator[tuple[str, Any]]:
        """All names, as sent, with their values."""
        return ((each.name, each.value) for several in self._given.values() for each in several)

    def named(self, *names: str) -> list[tuple[str, Any]]:
        """Those of `names` that are there, as sent, with their values."""
        return [(as_sent(each.name), each.value) for name in names for each in self._given.get(plain_name(name), ())]

    def value(self, name: str, default: Any = None) -> Any:
        """The value of `name`."""
        return next((value for _, value in self.named(name)), default)


def pairs_of(text: str) -> dict[str, str] | None:
    """Parse text such as `ticker=EURUSD, price=1.1`. Returns None for any other text.

    Raises InvalidValue for a repeated name, and for text that does not belong to a name.
    """
    pairs: list[tuple[str, str]] = []
    at = 0
    while at < len(text) and (pair := _PAIR.match(text, at)):
        pairs.append((pair["name"], pair["plain"] if pair["quoted"] is None else pair["quoted"]))
        at = pair.end()
    if at == len(text):
        return _once(pairs)
    if not pairs:
        return None
    name = as_sent(pairs[-1][0])  # the value itself may be a password
    advice = f'the text after it is not name=value. Put a value with spaces in double quotes: {name}="..."'
    raise InvalidValue(f"{name} cannot be read: {advice}", code="not-readable", field=name)


def with_placeholders_quoted(text: str) -> str:
    """Quote each bare `{{...}}` in JSON, so that the error can name its field."""
    return _BARE_PLACEHOLDER.sub(lambda found: json.dumps(found["bare"]) if found["bare"] else found[0], text)


def form_of(text: str) -> dict[str, str]:
    """Parse a form's body. Raises InvalidValue for a repeated name."""
    return _once(parse_qsl(text, keep_blank_values=True))


def shown_text(text: str) -> str:
    """The beginning of a message for an error, with possible passwords masked."""
    return shown(redacted(_PASSWORD.sub(r"\1***", text[:_LONGEST_LOOKED_AT])))  # mask before cutting


def says_nothing(value: object) -> bool:
    """True if `value` is None or a word for a missing value."""
    return value is None or (isinstance(value, str) and value.strip().lower() in _MISSING)


def _flat(data: Mapping[str, Any], within: str, depth: int) -> Iterator[tuple[str, _Given]]:
    """Each value with its plain name: first those of `data` itself, then those of its objects."""
    inner = []
    for name, value in data.items():
        plain = plain_name(name)
        if isinstance(value, dict) and plain not in _WHOLE and depth < _DEPTH and not _is_level(plain, value):
            inner.append((plain, value))
        elif not says_nothing(value) and not (depth and plain in _OF_THE_MESSAGE):
            owner = next((each for each in _OWN_TO if within.endswith(each)), "")
            sent = f"{owner}.{name}" if owner and plain in _OWN_TO[owner] else name
            yield plain_name(sent), _Given(data, sent, value)
    for plain, value in inner:
        yield from _flat(value, plain, depth + 1)


def _is_level(plain: str, value: Mapping[str, Any]) -> bool:
    """True if an object is the value of a level, such as `{"0": 1.17, "1": 1.18}`, and not a group of fields."""
    return level_of(plain) is not None and not any(level_of(plain_name(name)) for name in value)


def _once(pairs: list[tuple[str, str]]) -> dict[str, str]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise InvalidValue.of_all([Fault("conflict", f"{as_sent(twice)} was sent twice: send it once", as_sent(twice))])
    return found

"""Reads filled templates: words for nothing, names inside objects, and text that is not JSON. Pure."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from signalpost.domain.levels import level_of, plain_name
from signalpost.domain.spellings import as_sent
from signalpost.domain.text import shown
from signalpost.errors import Fault, InvalidValue
from signalpost.secret import redacted

_NOTHING = frozenset({"", "nan", "na", "n/a", "null", "none", "undefined", "-"})
_IDS = frozenset(plain_name(name) for name in ("id", "signal_id", "alert_id"))
_OF_THE_MESSAGE = _IDS | {plain_name(name) for name in ("priority", "user_tier", "tier", "context")}
"""Names that mean something only in the message itself: in an object they are that object's own."""
_OWN_TO = {
    "order": frozenset(("price", "action", "limit")),
    "position": frozenset(("price", "avgprice", "averageprice", "average", "size")),
}
"""Names that stand for the order's, or the position's, inside an object of that name."""
_DEPTH = 2
_LONGEST_LOOKED_AT = 500
_PASSWORD = re.compile(r"((?:pass|secret|token|key|pin|auth)\w{0,20}\W{1,4})[^\s,;&\"']+", re.IGNORECASE)
_BARE_PLACEHOLDER = re.compile(r'"(?:[^"\\]|\\.)*"?|(?P<bare>\{\{[^{}]*\}\})', re.DOTALL)
"""Text in quotes, which is passed over, or a placeholder that stands outside of any."""
_PAIR = re.compile(r"""(?P<name>[\w.]+)\s*=\s*(?:"(?P<quoted>[^"\n]*)"|(?P<plain>[^\s,;"]*))\s*[,;]?\s*""")


class _Given(NamedTuple):
    owner: Mapping[str, Any]
    """The object that it stands in."""
    name: str
    value: Any


class Template:
    """The names and values of a filled template.

    Names inside objects count as names beside them, those outside first, except those that belong to the object itself:
    its id, its tier. Inside an object called `order` or `position`, `price` and the like are the order's or the
    position's. Values that say nothing are left out. `context` stays as it is, and so does an object of levels, such as
    `targets`, unless the names in it are levels too.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._given: dict[str, list[_Given]] = {}
        for plain, given in _flat(data, "", 0):
            several = self._given.setdefault(plain, [])
            if not several or several[0].owner is given.owner:
                several.append(given)

    def pairs(self) -> Iterator[tuple[str, Any]]:
        """Names as they were sent, and values."""
        return ((each.name, each.value) for several in self._given.values() for each in several)

    def named(self, *names: str) -> list[tuple[str, Any]]:
        """Those of `names` that are there, as they were sent, with their values."""
        return [(as_sent(each.name), each.value) for name in names for each in self._given.get(plain_name(name), ())]

    def value(self, name: str, default: Any = None) -> Any:
        """The value of `name`."""
        return next((value for _, value in self.named(name)), default)


def pairs_of(text: str) -> dict[str, str] | None:
    """The names and values of text such as `ticker=EURUSD, price=1.1`; None if it is anything else.

    Raises InvalidValue for a name that is there twice, and for text after a value that belongs to no name.
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
    advice = f'the text after it is not name=value. Put a value with blanks in double quotes: {name}="..."'
    raise InvalidValue(f"{name} cannot be read: {advice}", code="not-readable", field=name)


def with_placeholders_quoted(text: str) -> str:
    """JSON in which each bare `{{...}}` that a template left is text, so that its field can be named."""
    return _BARE_PLACEHOLDER.sub(lambda found: json.dumps(found["bare"]) if found["bare"] else found[0], text)


def form_of(text: str) -> dict[str, str]:
    """The names and values of a form's body. Raises InvalidValue for a name that is there twice."""
    return _once(parse_qsl(text, keep_blank_values=True))


def shown_text(text: str) -> str:
    """The beginning of a message as an error shows it, without what may be a password in it."""
    return shown(redacted(_PASSWORD.sub(r"\1***", text[:_LONGEST_LOOKED_AT])))  # masked before it is cut


def says_nothing(value: object) -> bool:
    """Whether `value` stands for something that is not known."""
    return value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING)


def _flat(data: Mapping[str, Any], within: str, depth: int) -> Iterator[tuple[str, _Given]]:
    """Each value by its plain name: those of `data` itself, then those of the objects in it."""
    inner = []
    for name, value in data.items():
        plain = plain_name(name)
        if isinstance(value, dict) and plain != "context" and depth < _DEPTH and not _is_level(plain, value):
            inner.append((plain, value))
        elif not says_nothing(value) and not (depth and plain in _OF_THE_MESSAGE):
            owner = next((each for each in _OWN_TO if within.endswith(each)), "")
            sent = f"{owner}.{name}" if owner and plain in _OWN_TO[owner] else name
            yield plain_name(sent), _Given(data, sent, value)
    for plain, value in inner:
        yield from _flat(value, plain, depth + 1)


def _is_level(plain: str, value: Mapping[str, Any]) -> bool:
    """Whether an object is the value of a level, such as `{"0": 1.17, "1": 1.18}`, and not a group of names."""
    return level_of(plain) is not None and not any(level_of(plain_name(name)) for name in value)


def _once(pairs: list[tuple[str, str]]) -> dict[str, str]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise InvalidValue.of_all([Fault("conflict", f"{as_sent(twice)} is there twice: send it once", as_sent(twice))])
    return found

"""Parsers of setting values.

Each raises InvalidConfiguration for an invalid value. No error shows a text that could be a misplaced secret.
"""

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from signalpost.domain.notification import KINDS
from signalpost.domain.price_step import PriceStep
from signalpost.domain.sessions import zone_named
from signalpost.domain.timeframe import Timeframe
from signalpost.domain.words import Word
from signalpost.errors import InvalidConfiguration, InvalidValue
from signalpost.sinks.discord.cards.look import Look, Roles

Value = TypeVar("Value")
Choice = TypeVar("Choice", bound=Word)
Text = TypeVar("Text", bound=str)

WORDS_FOR_ON = ("on", "1", "true", "yes")
"""Spellings of a switch that is on, in lower case."""
_ALL = "all"
_OFF = "off"
_WORDS_FOR_OFF = (_OFF, "0", "false", "no")

_LONGEST_SHOWN = 24
"""Characters of an invalid value that may be shown: every token and key is longer."""
_LONGEST_NAME = 40
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_LASTING = re.compile(r"(?P<number>[0-9]{1,6}) ?(?P<unit>[smhdw])")
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}")
_URL = re.compile(r"[a-z][a-z0-9+.-]+:/|([a-z0-9-]+\.)*discord(app)?\.com/", re.ASCII | re.IGNORECASE)
"""The start of a URL, also of one without a scheme, or with one slash because it was parsed as a path."""
_TOKEN = re.compile(r"[A-Za-z0-9._-]{60,}")
"""Text that could be a webhook's token."""
_COLOUR = re.compile(r"#?([0-9a-f]{6})", re.ASCII | re.IGNORECASE)


class HttpAddress(NamedTuple):
    """The address that the HTTP API listens on."""

    host: str
    port: int
    """0 for any free one."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Parser(NamedTuple, Generic[Value]):
    """How the values of a setting are read, shown and described."""

    parse: Callable[[str], Value]
    """Raises InvalidConfiguration."""
    show: Callable[[Value], bool | int | float | str]
    """The value as a TOML file and JSON have it."""
    wanted: str
    """The valid values, for an error."""


def shown(text: str) -> str:
    """An invalid value, for an error. Of a long value, which could be a misplaced secret, only the length is shown."""
    return repr(text) if len(text) <= _LONGEST_SHOWN else f"a text of {len(text)} characters"


def shown_name(name: str) -> str:
    """An invalid name, for an error. If it does not look like a name, only its length is shown."""
    if len(name) <= _LONGEST_NAME and _NAME.fullmatch(name):
        return name
    return f"a name of {len(name)} characters"


def shown_path(text: str) -> str:
    """A path, for an error. It is hidden if it could be a misplaced webhook."""
    if "://" in text or _URL.match(text) or _TOKEN.search(text):
        return "the file that it names"
    return text


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The most similar of the `known` names; None if none is similar."""
    from difflib import get_close_matches  # loaded only if something is wrong

    return next(iter(get_close_matches(name[:60], known, n=1, cutoff=0.7)), None)


def advice(name: str, known: Iterable[str]) -> str:
    """The question whether the nearest name was intended, or all known names if none is similar."""
    names = list(known)
    return f"did you mean {near}?" if (near := nearest(name, names)) else f"use one of {', '.join(names)}"


def whole_number(least: int, most: int, note: str = "") -> Parser[int]:
    """A parser of whole numbers within bounds; `note` explains them."""
    wanted = f"a whole number from {least} to {most}{note}"

    def parse(text: str) -> int:
        if (number := _digits(text)) is not None and least <= number <= most:
            return number
        raise _invalid(text, wanted, "out-of-range", f"{least} to {most}")

    return Parser(parse, int, wanted)


def read_by(
    read: Callable[[str], Value],
    show: Callable[[Value], bool | int | float | str],
    wanted: str,
    limit: str | None = None,
) -> Parser[Value]:
    """A parser by a function that raises InvalidValue; without `limit`, errors have the one that it reports."""
    return Parser(lambda text: _by(read, text, wanted, limit), show, wanted)


def decimal(read: Callable[[str, str], Decimal], wanted: str, limit: str) -> Parser[Decimal]:
    """A parser of decimal numbers by `read`, which gets the text and a name, and raises InvalidValue."""
    return read_by(lambda text: read(text, "number"), float, wanted, limit)


def some_or_all(read: Callable[[str], Text], example: str) -> Parser[frozenset[Text]]:
    """A parser of values separated by commas, or `all`, which is an empty set; `read` raises InvalidValue."""
    return _several(read, _ALL, f"values separated by commas, such as {example}, or {_ALL}")


def _several(read: Callable[[str], Text], empty: str, wanted: str) -> Parser[frozenset[Text]]:
    """A parser of values separated by commas, or a word for the `empty` set."""

    def parse(text: str) -> frozenset[Text]:
        if text.lower() == empty:
            return frozenset()
        return frozenset(_by(read, each.strip(), wanted) for each in text.split(","))

    return Parser(parse, lambda values: ", ".join(sorted(values)) or empty, wanted)


def _by(read: Callable[[str], Value], text: str, wanted: str, limit: str | None = None) -> Value:
    """`text` as `read` reads it. Raises InvalidConfiguration instead of InvalidValue, whose text may show a secret."""
    try:
        return read(text)
    except InvalidValue as error:
        fault = error.errors[0]
    raise _invalid(text, wanted, fault.code, limit or fault.limit)


def _switch(text: str) -> bool:
    if (word := text.lower()) in (*WORDS_FOR_ON, *_WORDS_FOR_OFF):
        return word in WORDS_FOR_ON
    raise _invalid(text, SWITCH.wanted, "unknown-word", "on, off")


def _lasting(units: str, least: timedelta, most: timedelta, wanted: str, limit: str) -> Parser[timedelta]:
    """A parser of durations in some of the units."""

    def parse(text: str) -> timedelta:
        found = _LASTING.fullmatch(text.lower())
        if (
            found
            and found["unit"] in units
            and least <= (lasts := int(found["number"]) * _UNITS[found["unit"]]) <= most
        ):
            return lasts
        raise _invalid(text, wanted, "invalid-time", limit)

    return Parser(parse, _lasting_text, wanted)


def _lasting_text(lasts: timedelta) -> str:
    unit = next(name for name in ("d", "h", "m", "s") if not lasts % _UNITS[name])
    return f"{lasts // _UNITS[unit]}{unit}"


def _kind(text: str) -> str:
    word = text.lower().replace("-", "_")
    if word not in KINDS:
        raise InvalidValue(code="unknown-word", limit=", ".join(KINDS))
    return word


def _address(text: str) -> HttpAddress | None:
    if text.lower() == _OFF:
        return None
    host, _, port = text.rpartition(":")
    if _is_host(host) and (number := _digits(port)) is not None and number < 65536:
        return HttpAddress(host.strip("[]"), number)
    raise _invalid(text, ADDRESS.wanted, "invalid-address", "HOST:PORT, off")


def _is_host(text: str) -> bool:
    if text.startswith("["):
        try:
            return text.endswith("]") and ip_address(text[1:-1]).version == 6
        except ValueError:
            return False
    return _HOST.fullmatch(text) is not None


def of_look(field: str, wanted: str) -> Parser[Any]:
    """A parser of the text of a `Look`'s field, with its rules."""
    return Parser(partial(_shown_to_readers, field, wanted), lambda text: text or "", wanted)


def _shown_to_readers(field: str, wanted: str, text: str) -> str:
    _by(lambda value: Look(**dict[str, Any]({field: value})), text, wanted)
    if _TOKEN.search(text) and field != "avatar_url":
        problem = "this could be a webhook or a token, and every reader would see it: use another text"
        raise InvalidConfiguration(problem, code="possible-secret")
    return text


def role(text: str) -> str:
    """The id of a role. Raises InvalidConfiguration."""
    _by(lambda usual: Roles(usual=usual), text, ROLE_ID)
    return text


def _colour(text: str) -> int:
    if found := _COLOUR.fullmatch(text):
        return int(found[1], 16)
    raise _invalid(text, COLOUR.wanted, "invalid-colour", "#000000 to #FFFFFF")


def one_of(kind: type[Choice]) -> Parser[Choice]:
    """A parser of the words of `kind`."""
    known = ", ".join(kind)

    def parse(text: str) -> Choice:
        if (word := text.lower()) in tuple(kind):
            return kind(word)
        raise _invalid(text, known, "unknown-word", known)

    return Parser(parse, str, known)


def path(text: str) -> Path:
    """A path; `~` is the home folder of a user."""
    if not text.isprintable():
        raise InvalidConfiguration("the path has unprintable characters: type it again", code="not-printable")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        pass
    raise InvalidConfiguration("the home folder of that user is unknown: use the full path", code="not-a-path")


def _folder(text: str) -> Path:
    if _URL.match(text.lstrip("\"' ")):  # a folder named after a webhook would show it to every `ls`
        raise InvalidConfiguration("this is a URL: use the path of a folder", code="not-a-path")
    return path(text)


SWITCH = Parser(_switch, bool, "on or off")
RETENTION = _lasting("hdw", _UNITS["h"], timedelta(days=3660), "a time such as 12h, 30d or 8w", "1h to 3660d")
VALIDITY = _lasting("mhd", _UNITS["m"], timedelta(days=30), "a time such as 30m, 4h or 1d", "1m to 30d")
DELAY = _lasting("smhd", timedelta(), timedelta(days=7), "a time such as 10s, 15m or 2h", "0s to 7d")
CHART_WITHIN = _lasting("smh", timedelta(seconds=1), timedelta(hours=1), "a time such as 30s or 2m", "1s to 1h")
KINDS_OR_NONE = _several(_kind, "none", f"some of {', '.join(KINDS)}, separated by commas, or none")
ADDRESS: Parser[HttpAddress | None] = Parser(
    _address, lambda address: _OFF if address is None else str(address), "HOST:PORT or off"
)
COLOUR = Parser(_colour, lambda colour: f"#{colour:06X}", "a colour such as #1F73F9")
ROLE_ID = "a role's id, a number of 17 to 20 digits in quotes, or false for no ping"
NAME_OF_FEED: Parser[str | None] = Parser(str, lambda name: name or "", "the name of a feed")
TIMEFRAME: Parser[Timeframe] = read_by(Timeframe, str, "a candle length such as M1, H4 or D")
TIME_ZONE = read_by(lambda text: zone_named(text, "timezone").key, str, "a time zone such as America/New_York or UTC")
PRICE_STEP: Parser[PriceStep | None] = read_by(
    lambda text: None if text.lower() == _OFF else PriceStep.of(text),
    lambda step: _OFF if step is None else str(step),
    "a step such as 0.5R, 20 pips or 1%, or off",
)
FOLDER = Parser(_folder, str, "the path of a folder")


def _digits(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def _invalid(text: str, wanted: str, code: str, limit: str | None) -> InvalidConfiguration:
    return InvalidConfiguration(f"{shown(text)} is not valid: use {wanted}", code=code, value=shown(text), limit=limit)

"""Checks of single values, with Discord's codes and messages. Each check yields the problems it finds."""

import re
from collections.abc import Iterator
from datetime import datetime
from ipaddress import IPv6Address
from typing import Any
from urllib.parse import urlsplit

from signalpost.sandbox.rules.exchange import Problem

Path = tuple[str | int, ...]
LONGEST_URL = 2048
WEB = ("http", "https")
PICTURE = (*WEB, "attachment")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_PUBLIC_HOST = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}\.?", re.IGNORECASE)
"""Discord accepts only host names with a dot and IP addresses, so not `localhost` or a container's name."""
_REQUIRED = "This field is required"


def text(value: Any, path: Path, most: int, *, least: int = 0) -> Iterator[Problem]:
    """Check an optional text of `least` to `most` code points."""
    if value is None:
        return
    if not isinstance(value, str):
        yield Problem(path, "STRING_TYPE_CONVERT", "Could not interpret the value as string.")
    elif least and not least <= len(value) <= most:
        yield Problem(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")
    elif len(value) > most:
        yield Problem(path, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")


def trimmed_text(value: Any, path: Path, most: int) -> Iterator[Problem]:
    """Check an optional text of at most `most` code points after trimming."""
    return text(value.strip() if isinstance(value, str) else value, path, most)


def required_text(value: Any, path: Path, most: int) -> Iterator[Problem]:
    """Check a required text of at most `most` code points, not only white space."""
    if value is None or (isinstance(value, str) and not value.strip()):
        yield Problem(path, "BASE_TYPE_REQUIRED", _REQUIRED)
    else:
        yield from trimmed_text(value, path, most)


def url(value: Any, path: Path, schemes: tuple[str, ...] = WEB) -> Iterator[Problem]:
    """Check an optional URL with one of the `schemes`."""
    if value is None or value == "":
        return
    found = list(text(value, path, LONGEST_URL))
    yield from found
    if found:
        return
    scheme = _SCHEME.match(value)
    if scheme and scheme[1].lower() not in schemes:
        yield Problem(path, "URL_TYPE_INVALID_SCHEME", f'Scheme "{scheme[1].lower()}" must be one of {schemes}.')
    elif not scheme or not _is_well_formed(value):
        yield Problem(path, "URL_TYPE_INVALID_URL", "Not a well formed URL.")


def _is_well_formed(value: str) -> bool:
    if any(each.isspace() or not each.isprintable() for each in value):
        return False
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
        _ = parts.port  # raises ValueError for an invalid port
        if parts.scheme == "attachment":
            return bool(parts.netloc)
        if ":" in host:
            return IPv6Address(host).is_global
        return _PUBLIC_HOST.fullmatch(host.encode("idna").decode()) is not None
    except ValueError:  # includes UnicodeError from the IDNA encoding
        return False


def whole_number(value: Any, path: Path, most: int) -> Iterator[Problem]:
    """Check an optional whole number from 0 to `most`."""
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        yield Problem(path, "NUMBER_TYPE_COERCE", "Could not interpret the value as int.")
    elif value < 0:
        yield Problem(path, "NUMBER_TYPE_MIN", "int value should be greater than or equal to 0.")
    elif value > most:
        yield Problem(path, "NUMBER_TYPE_MAX", f"int value should be less than or equal to {most}.")


def boolean(value: Any, path: Path) -> Iterator[Problem]:
    """Check an optional boolean."""
    if value is not None and not isinstance(value, bool):
        yield Problem(path, "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")


def timestamp(value: Any, path: Path) -> Iterator[Problem]:
    """Check a time in ISO 8601."""
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        yield Problem(path, "DATE_TIME_TYPE_PARSE", "Could not parse the value. Should be ISO8601.")


def list_of(value: Any, path: Path, most: int) -> Iterator[Problem]:
    """Check an optional list of at most `most` items."""
    if value is None:
        return
    if not isinstance(value, list):
        yield Problem(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
    elif len(value) > most:
        yield Problem(path, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")


def json_object(value: Any, path: Path) -> Iterator[Problem]:
    """Check an optional object."""
    if value is not None and not isinstance(value, dict):
        yield Problem(path, "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")


def snowflake(value: Any, path: Path) -> Iterator[Problem]:
    """Check an id, given as text or number."""
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,20}", str(value)):
        yield Problem(path, "NUMBER_TYPE_COERCE", "Value is not snowflake.")

"""What a setting's text means. Each raises InvalidConfiguration, which says what is wanted and shows no long text."""

import re
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from signalpost.config.destination import WORDS_FOR_ON, HttpAddress
from signalpost.domain.notification import KINDS
from signalpost.errors import InvalidConfiguration

MOST_WORKERS = 16
MOST_MESSAGES_A_MINUTE = 10_000

_LONGEST_SHOWN = 24
"""Characters of a wrong value that may be shown: every token and key is longer."""
_LONGEST_NAME = 40
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_RETENTION = re.compile(r"(?P<number>[0-9]{1,5}) ?(?P<unit>[hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_LONGEST_RETENTION = timedelta(days=3660)
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}")
_URL = re.compile(r"[a-z][a-z0-9+.-]+:/|([a-z0-9-]+\.)*discord(app)?\.com/", re.ASCII | re.IGNORECASE)
"""How a URL begins, also where a path was made of it, which leaves one slash of two, and without its scheme."""
_TOKEN = re.compile(r"[A-Za-z0-9._-]{60,}")
"""What could be a webhook's token."""


def shown(text: str) -> str:
    """A wrong value as an error may show it; of a long one, which could be a secret in the wrong place, its length."""
    return repr(text) if len(text) <= _LONGEST_SHOWN else f"a text of {len(text)} characters"


def shown_name(name: str) -> str:
    """A wrong name as an error may show it; what could be no name is not shown."""
    if len(name) <= _LONGEST_NAME and _NAME.fullmatch(name):
        return name
    return f"a name of {len(name)} characters"


def shown_path(text: str) -> str:
    """A path as an error may show it; one that could be a webhook in the wrong place is not shown."""
    if "://" in text or _URL.match(text) or _TOKEN.search(text):
        return "the file that it names"
    return text


def switch(text: str) -> bool:
    """On or off."""
    if (word := text.lower()) in WORDS_FOR_ON:
        return True
    if word in {"off", "0", "false", "no"}:
        return False
    raise _refusal(text, "is neither on nor off: give one of them", "unknown-word", "on, off")


def workers(text: str) -> int:
    """A number of senders."""
    if (number := _whole(text)) is not None and 1 <= number <= MOST_WORKERS:
        return number
    raise _refusal(
        text, f"is not a number of senders: give 1 to {MOST_WORKERS}", "out-of-range", f"1 to {MOST_WORKERS}"
    )


def messages_a_minute(text: str) -> int:
    """A pace."""
    if (number := _whole(text)) is not None and 1 <= number <= MOST_MESSAGES_A_MINUTE:
        return number
    limit = f"1 to {MOST_MESSAGES_A_MINUTE}"
    raise _refusal(text, f"is not a rate: give {limit} messages a minute", "out-of-range", limit)


def rank(text: str) -> int:
    """A tier's rank."""
    if (number := _whole(text)) is not None and number <= 1000:
        return number
    raise _refusal(text, "is not a rank: give 0 to 1000; free is 0, premium 10, admin 20", "out-of-range", "0 to 1000")


def retention(text: str) -> timedelta:
    """A time, of hours, days or weeks."""
    found = _RETENTION.fullmatch(text.lower())
    kept = int(found["number"]) * _UNITS[found["unit"]] if found else timedelta()
    if timedelta() < kept <= _LONGEST_RETENTION:
        return kept
    raise _refusal(text, "is not a retention time: give one such as 12h, 30d or 8w", "invalid-time", "1h to 3660d")


def retention_text(kept: timedelta) -> str:
    """A time as `retention` takes it."""
    hours = kept // _UNITS["h"]
    return f"{hours}h" if hours % 24 else f"{hours // 24}d"


def at_most_once(text: str) -> frozenset[str]:
    """Kinds of notification, with commas between them; `none` for none of them."""
    words = [word.strip().lower().replace("-", "_") for word in text.split(",")]
    if words == ["none"]:
        return frozenset()
    for word in words:
        if word not in KINDS:
            known = ", ".join(KINDS)
            raise _refusal(word, f"is not a kind: give some of {known}, or none", "unknown-word", known)
    return frozenset(words)


def at_most_once_text(kinds: frozenset[str]) -> str:
    """Kinds as `at_most_once` takes them."""
    return ", ".join(kind for kind in KINDS if kind in kinds) or "none"


def http(text: str) -> HttpAddress | None:
    """Where to listen; None for `off`."""
    if text.lower() == "off":
        return None
    host, _, port = text.rpartition(":")
    number = _whole(port)
    if _is_host(host) and number is not None and number < 65536:
        return HttpAddress(host.strip("[]"), number)
    raise _refusal(text, "is not an address to listen on: give HOST:PORT, or off", "invalid-address", "HOST:PORT, off")


def path(text: str) -> Path:
    """A path, with `~` as the home of a person."""
    if not text.isprintable():
        raise InvalidConfiguration("it has characters that no path should have: type it again", code="not-printable")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        pass
    raise InvalidConfiguration("the home folder of that user is unknown: give the full path", code="not-a-path")


def folder(text: str) -> Path:
    """A path that is no URL: that of a webhook would be shown, and made."""
    if _URL.match(text.lstrip("\"' ")):
        raise InvalidConfiguration("it is a URL, and should be the path of a folder", code="not-a-path")
    return path(text)


def _refusal(text: str, why: str, code: str, limit: str) -> InvalidConfiguration:
    return InvalidConfiguration(f"{shown(text)} {why}", code=code, value=shown(text), limit=limit)


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def _is_host(text: str) -> bool:
    if text.startswith("["):
        try:
            return text.endswith("]") and ip_address(text[1:-1]).version == 6
        except ValueError:
            return False
    return _HOST.fullmatch(text) is not None

"""The URL of the Redis or Valkey server that caches the states of strategies. It may contain a password."""

import re
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from signalpost.errors import InvalidConfiguration
from signalpost.secret import MASK, Secret

if TYPE_CHECKING:
    from redis.asyncio import Redis

WANTED = "redis://:PASSWORD@HOST:6379/0, rediss:// instead for TLS, or unix://:PASSWORD@/PATH for a socket"
BUDGET = 1.0
"""Seconds that a strategy waits for the cache."""
_VARIABLE = "REDIS_URL"
_START = re.compile(r"(redis|rediss|unix)://", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]+:[0-9A-Fa-f:.]+")
_DATABASE = re.compile(r"/?|/[0-9]{1,9}")
_USUAL_PORT = 6379
_OF_ADDRESS = frozenset({"host", "port", "path"})


def redis_url(text: str) -> Secret:
    """The URL, validated. Options after `?` are checked only if redis-py is installed.

    Raises InvalidConfiguration for an invalid one; its text contains no part of the URL.
    """
    url = Secret(text)
    if "?" in text and find_spec("redis") is not None:
        client_of(url)
    else:
        _check(url)
    return url


def client_of(url: Secret) -> "Redis":
    """A client of this server, which connects once it is used.

    Raises InvalidConfiguration if the URL is invalid, or the extra `redis` is not installed.
    """
    _check(url)
    try:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError:
        text = f"{_VARIABLE} is set, but the redis client is not installed: pip install 'signalpost[redis]'"
        raise InvalidConfiguration(text, code="not-installed", field=_VARIABLE) from None
    retry = Retry(NoBackoff(), 0)
    with suppress(Exception):  # of many kinds, and their texts may quote the URL
        # Protocol 2 is enough, and every server speaks it.
        client = Redis.from_url(
            url.reveal(), protocol=2, socket_timeout=BUDGET, socket_connect_timeout=BUDGET, retry=retry
        )
        pool: Any = client.connection_pool
        pool.make_connection()  # which rejects unknown options
        return client
    raise _invalid("an option after ? is unknown or has an invalid value")


def server_of(url: Secret) -> str:
    """Host and port of a valid URL, or the path of its socket."""
    parts = urlsplit(url.reveal())
    host = parts.hostname
    if host is None:
        return parts.path
    return f"{f'[{host}]' if ':' in host else host}:{parts.port or _USUAL_PORT}"


def masked(url: Secret | None) -> str:
    """A valid URL without user, password and options; empty for None."""
    if url is None:
        return ""
    parts = urlsplit(url.reveal())
    user = f"{MASK}@" if "@" in parts.netloc else ""
    database = parts.path if parts.hostname else ""
    return f"{parts.scheme}://{user}{server_of(url)}{database}{f'?{MASK}' if parts.query else ''}"


def _check(url: Secret) -> None:
    """Raise InvalidConfiguration if a URL is malformed, or a part of its password could be taken for its host."""
    if not url.reveal().isprintable() or " " in url.reveal():
        raise _invalid("it contains a space or an unprintable character")
    if not _START.match(url.reveal()):
        raise _invalid("it does not begin with redis://, rediss:// or unix://")
    try:
        problem = _problem_of(urlsplit(url.reveal()))
    except ValueError:  # its text may quote the URL
        problem = "its host, port or options are not valid"
    if "#" in url.reveal() or problem is not None:
        raise _invalid(problem or "it contains a #")


def _problem_of(parts: SplitResult) -> str | None:
    """The first rule that a URL breaks. Raises ValueError for an invalid port, or an option without a value."""
    address = parts.netloc.rpartition("@")[2]
    options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True) if parts.query else []
    is_socket = parts.scheme == "unix"
    if "@" in parts.path or "@" in parts.query:
        return "it contains an @ after the host"
    if is_socket and (address or len(parts.path) < len("/x")):
        return "the path of the socket must follow unix:// or the @"
    if parts.port == 0 or not (is_socket or _HOST.fullmatch(parts.hostname or "")):
        return "its host or port is not valid"
    if not is_socket and not _DATABASE.fullmatch(parts.path):
        return "only / and the number of a database may follow the host"
    if not _OF_ADDRESS.isdisjoint(name for name, _ in options):
        return "host, port and path are not options"
    return None


def _invalid(problem: str) -> InvalidConfiguration:
    escaped = "in a password, write / as %2F, ? as %3F, # as %23 and @ as %40"
    text = f"this is not a valid Redis URL: {problem}. Use {WANTED}; {escaped}"
    return InvalidConfiguration(text, code="invalid-url", field=_VARIABLE, limit=WANTED)

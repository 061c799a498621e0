"""How many files and connections `serve` may have open at once, and how many of them others may take."""

import resource
from contextlib import suppress

_ENOUGH = 65_536
_OF_THE_SERVICE = 128
"""The store, its neighbours, the log, and what libraries open for a moment."""
_MOST_CONNECTIONS = 1_000
_FEWEST_CONNECTIONS = 16


def raise_soft_limit() -> None:
    """Raise this process's own limit of open files towards what the system permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # it works without: fewer may connect then
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections(senders: int) -> int:
    """How many connections HTTP may hold, so that `senders` to Discord and the store always find a descriptor."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST_CONNECTIONS
    return max(_FEWEST_CONNECTIONS, min(_MOST_CONNECTIONS, soft - _OF_THE_SERVICE - 2 * senders))

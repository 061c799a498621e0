"""Keeps a child made by `fork` from using its parent's open outboxes.

The problem: a fork copies one thread, all memory and all descriptors. So the child has a connection whose mutexes may
be held by a thread that does not exist there, SQLite's records of locks that only the parent holds, and a share of the
lock file, which would keep the parent's lock after its death. Even a new connection would use those records, and could
write into a log that others believe to be unused (https://sqlite.org/howtocorrupt.html, section 2.6).

The solution: a fork waits until no batch is being executed, so that no mutex is held. The child releases its share of
the lock at once, and touches nothing else. Before it opens an outbox of its own, it closes the connections of its
parent; SQLite can do that there because they were idle. A program that is started (`exec`, `subprocess`) inherits
nothing: all files are opened with close-on-exec.
"""

import os
from typing import Protocol
from weakref import WeakSet


class OpenOutbox(Protocol):
    """An outbox that must be protected from forks."""

    def pause(self) -> None:
        """Wait until no batch is being executed, and let none begin."""
        ...

    def resume(self) -> None:
        """Let batches begin again."""
        ...

    def abandon(self) -> None:
        """In the child: release the lock, and use nothing from now on."""
        ...

    def close(self) -> None:
        """Release the store."""
        ...


_open: WeakSet[OpenOutbox] = WeakSet()
_paused: list[OpenOutbox] = []
_inherited: list[OpenOutbox] = []
"""In a child: the parent's outboxes, kept referenced so that the garbage collector does not close them."""


def register(outbox: OpenOutbox) -> None:
    """Protect an outbox whenever this process forks, as long as the outbox exists."""
    _open.add(outbox)


def close_inherited() -> None:
    """In a child, before it opens an outbox: close those of its parent, so that SQLite drops its records of locks."""
    while _inherited:
        _inherited.pop().close()


def _before() -> None:
    _paused.extend(_open)
    for outbox in _paused:
        outbox.pause()


def _in_parent() -> None:
    while _paused:
        _paused.pop().resume()


def _in_child() -> None:
    for outbox in _paused:
        outbox.abandon()
        _open.discard(outbox)
    _inherited.extend(_paused)
    _in_parent()


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)

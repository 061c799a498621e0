"""What a child made by `fork` must not do with its parent's open outboxes, and how that is seen to.

What happens. A fork copies one thread, all memory and all descriptors. So the child has a connection whose mutexes may
be held by a thread that it lacks, SQLite's notes of locks that the kernel never gave to it, and a share of the lock
file, by which its parent would seem to live on. Even a connection of its own would use those notes, and could go on
writing into a log that others believe to be unused (https://sqlite.org/howtocorrupt.html, section 2.6).

So what. A fork waits until no batch is under way, so that nothing is held. The child gives its share of the lock back
at once, and touches nothing else; only before it opens an outbox of its own it closes the connections of its parent,
which SQLite can do there because they were idle. A program that is started (`exec`, `subprocess`) inherits nothing: all
files are opened to be closed then.
"""

import os
from typing import Protocol
from weakref import WeakSet


class OpenOutbox(Protocol):
    """What a fork has to see to."""

    def pause(self) -> None:
        """Wait until no batch is under way, and let none begin."""
        ...

    def resume(self) -> None:
        """Go on."""
        ...

    def abandon(self) -> None:
        """In the child: use nothing any more, and give the lock back."""
        ...

    def close(self) -> None:
        """Release the store."""
        ...


_open: WeakSet[OpenOutbox] = WeakSet()
_paused: list[OpenOutbox] = []
_inherited: list[OpenOutbox] = []
"""In a child: what is its parent's, kept alive because nobody may close it as if it were nothing."""


def register(outbox: OpenOutbox) -> None:
    """See to an outbox, as long as there is one, whenever this process forks."""
    _open.add(outbox)


def close_inherited() -> None:
    """In a child, before it opens an outbox: close those of its parent, so that SQLite forgets what it noted."""
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

"""A process that forks while its store is busy. Each child opens the store, puts a notification, and ends.

    python crowd_process.py STORE CHILDREN

The exit code is 0 if every child succeeded. Each puts one notification under its number.
"""

import os
import sys
import threading

from signalpost.delivery.outbox.commands import Put
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.errors import StoreFailed
from signalpost.testing.outbox_samples import new, notification


def _put(core: SqliteCore, name: str) -> None:
    core.apply([Put((new(notification(name)),))])


def _insist(core: SqliteCore, name: str) -> None:
    """On a busy machine, thirty children and their parent may keep the store locked longer than one put waits."""
    for _ in range(5):
        try:
            return _put(core, name)
        except StoreFailed:
            continue
    return _put(core, name)


def main(store: str, children: int) -> int:
    core = SqliteCore(store)
    is_over = threading.Event()

    def write() -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            _put(core, f"parent-{number}")

    writers = [threading.Thread(target=write) for _ in range(1)]
    for writer in writers:
        writer.start()
    made = []
    for number in range(children):
        if (child := os.fork()) == 0:
            try:
                _put(core, "with what is its parent's")
            except StoreFailed:
                own = SqliteCore(store, owns=False)
                _insist(own, f"child-{number}")
                own.close()
                os._exit(0)
            finally:
                os._exit(1)
        made.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in made]
    is_over.set()
    for writer in writers:
        writer.join()
    core.close()
    return max(codes)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], int(sys.argv[2])))

"""Typical strategies, each run as a process: `python strategy_process.py KIND`.

Every signal has a name that the test recognizes. A strategy prints its results.
"""

import asyncio
import atexit
import logging
import multiprocessing
import os
import signal as signals
import sqlite3
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from signalpost import (
    AlertLogHandler,
    Signal,
    Ticket,
    configure,
    flush,
    on_strategy_start,
    on_strategy_stop,
    send_signal,
    send_signal_async,
    send_signal_to_discord,
)

_numbers = count()


def idea(name: str) -> dict[str, Any]:
    """The arguments of a signal called `name`."""
    made = Signal(
        pair="EURUSD",
        timeframe="H4",
        signal_type="BUY",
        entry_price="1.1634",
        timestamp=datetime.now(UTC),
        signal_id=f"{os.getpid()}-{next(_numbers)}-{name}",
    )
    return {"signal": made, "additional_context": {"Name": name}}


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def plain() -> None:
    on_strategy_start()
    tickets = [send_signal(**idea(f"plain {number}")).result() for number in range(10)]
    say(all(ticket.outcome == "accepted" for ticket in tickets), flush(timeout=5), on_strategy_stop())


def on_asyncio() -> None:
    async def strategy() -> None:
        await on_strategy_start()
        tickets = await asyncio.gather(*(send_signal_async(**idea(f"async {number}")) for number in range(10)))
        say(all(ticket.outcome == "accepted" for ticket in tickets), await on_strategy_stop())

    asyncio.run(strategy())


def notebook() -> None:
    """Each cell runs its own event loop; a future of one cell is awaited in another."""

    async def cell(number: int) -> Ticket:
        on_strategy_start()
        return await send_signal_async(**idea(f"cell {number}"))

    async def later(future: Any) -> Ticket:
        return await future

    tickets = [asyncio.run(cell(number)) for number in range(3)]
    tickets.append(asyncio.run(later(send_signal(**idea("cell 3")))))
    say(all(ticket.outcome == "accepted" for ticket in tickets))


def pool() -> None:
    on_strategy_start()

    def work(thread: int) -> list[bool]:
        futures = [send_signal(**idea(f"thread {thread} {number}")) for number in range(20)]
        return [future.result().outcome == "accepted" for future in futures]

    with ThreadPoolExecutor(16) as executor:
        say(all(is_accepted for part in executor.map(work, range(16)) for is_accepted in part), flush(timeout=120))


def forked() -> None:
    """The parent has pending signals when it forks, and both processes go on."""
    _in_child(_by_fork)


def by_multiprocessing() -> None:
    _in_child(_by_multiprocessing)


def ends() -> None:
    on_strategy_start()
    send_signal(**idea("last"))


def ends_without_uvloop() -> None:
    """asyncio's loop resolves names in a pool, which accepts no work any more when a program ends."""
    sys.modules["uvloop"] = None  # type: ignore[assignment]  # hides it from imports
    ends()


def raises() -> None:
    on_strategy_start()
    send_signal(**idea("last"))
    raise LookupError("the strategy broke")


def exits() -> None:
    on_strategy_start()
    send_signal(**idea("last"))
    sys.exit(7)


def ends_before_its_thread() -> None:
    """The main thread ends at once, but its other thread and a pool still send."""
    on_strategy_start()
    main = threading.main_thread()

    def work() -> None:
        main.join()
        send_signal(**idea("thread"))

    threading.Thread(target=work).start()
    ThreadPoolExecutor(1).submit(lambda: send_signal(**idea("pool")))


def starts_in_a_daemon_thread() -> None:
    """A web server's workers are daemon threads; the service they started is flushed at the end too."""
    thread = threading.Thread(target=ends, daemon=True)
    thread.start()
    thread.join()


def waits_for_all_threads() -> None:
    """Some programs wait for all their threads."""
    ends()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()


def forks_in_a_daemon_thread() -> None:
    """The child, forked in a daemon thread, is flushed when it ends."""
    process = multiprocessing.get_context("fork").Process(target=ends)
    thread = threading.Thread(target=lambda: (process.start(), process.join()), daemon=True)
    thread.start()
    thread.join()


def hands_over_at_the_very_end() -> None:
    """In `atexit` the service is stopped and no thread is waited for: signals go direct or to the fallback."""
    got: list[str] = []
    configure(fallback=lambda payload: got.append(payload.signal_id))
    on_strategy_start()
    atexit.register(lambda: say(len(got)))
    atexit.register(lambda: send_signal(**idea("to the fallback")))
    atexit.register(lambda: send_signal_to_discord(**idea("last")))


class _Bot:
    """Reports its end when it is deleted. Its module's names are gone by then."""

    def __init__(self) -> None:
        self._log = logging.getLogger("bot")
        self._log.addHandler(AlertLogHandler())
        self._log.error("order %d was refused", 1)
        self._idea, self._send = idea("deleted"), send_signal
        self._write = sys.stdout.write

    def __del__(self) -> None:
        self._log.error("order %d was refused", 2)  # would start a timer
        self._write(self._send(**self._idea).result(0).outcome.value)


def deletes_a_global_at_the_end() -> None:
    """All threads have ended when the interpreter deletes the objects of modules."""
    on_strategy_start()
    send_signal(**idea("last"))
    globals()["bot"] = _Bot()


def deletes_a_global_without_a_start() -> None:
    """No thread of ours was ever started."""
    globals()["bot"] = _Bot()


def terminated_while_it_stops() -> None:
    """SIGTERM comes during a stop that has not written anything yet, and ends the process after the stop."""
    on_strategy_start(handle_signals=True)
    file = Path(os.environ["SIGNALPOST_HOME"]) / "outbox.db"
    store = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    store.execute("BEGIN IMMEDIATE")
    for number in range(20):
        send_signal(**idea(f"late {number}"))
    threading.Timer(0.5, os.kill, (os.getpid(), signals.SIGTERM)).start()
    threading.Timer(3.0, store.close).start()  # longer than a single command waits for the store
    on_strategy_stop(10)


def terminated() -> None:
    """SIGTERM and SIGINT flush first, and then call the program's own handler."""
    signals.signal(signals.SIGTERM, lambda *_: sys.exit(9))
    _wait_for_a_signal()


def killed_by_default() -> None:
    _wait_for_a_signal()


def interrupted() -> None:
    try:
        _wait_for_a_signal()
    except KeyboardInterrupt:
        say("interrupted")


def direct() -> None:
    """No service runs, and no store is created."""
    ticket = send_signal_to_discord(**idea("direct")).result()
    say(ticket.outcome, ticket.reason)
    send_signal_to_discord(**idea("direct and last"))


def _wait_for_a_signal() -> None:
    on_strategy_start(handle_signals=True)
    send_signal(**idea("last"))
    say("waiting")
    while True:
        time.sleep(0.05)  # not signal.pause(): a signal that comes just before it would not be handled


def _in_child(run: Callable[[Callable[[], None]], None]) -> None:
    on_strategy_start()
    waiting = [send_signal(**idea(f"parent {number}")) for number in range(20)]

    def child() -> None:
        assert wait(waiting, 10).not_done == set()
        of_parent = waiting[-1].result(10)
        tickets = [send_signal(**idea(f"child {number}")).result(10) for number in range(20)]
        say(of_parent.outcome in {"held", "accepted"}, {ticket.outcome.value for ticket in tickets})

    run(child)
    send_signal(**idea("parent at last"))


def _by_fork(child: Callable[[], None]) -> None:
    with warnings.catch_warnings():  # since Python 3.12, a fork of a process with threads warns on standard error
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process == 0:
        child()
        sys.exit(0)
    _, status = os.waitpid(process, 0)
    assert status == 0, status


def _by_multiprocessing(child: Callable[[], None]) -> None:
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0, process.exitcode


if __name__ == "__main__":
    globals()[sys.argv[1]]()

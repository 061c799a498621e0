"""Freezes a real `signalpost serve` again and again, and has the oracle judge what the channels show.

    python -m tests.faults.freeze FOLDER [ROUNDS]

Two `serve` and one process without webhooks share a data folder. In each round the one that delivers is stopped
(SIGSTOP), in every second round while producers submit and the far end has a bad day; it goes on some seconds after the
other took over. One that is frozen
while it writes keeps everybody from writing, which is another test: it goes on at once and is frozen again. The
heartbeat is the usual one, so a round takes about 40 seconds. Prints how long each takeover took,
and fails with all that contradicts a promise, such as a repeat that is not marked.
"""

import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from random import Random

from tests.faults.oracle import late_originals
from tests.faults.stage import Process, Stage, demand, stage, terminate, trouble, until
from tests.faults.test_kill_service import SEED

AT_MOST = 45.0
"""Seconds from a freeze to the takeover: 30 without a beat, at most 5 since the last one, and this machine is busy."""


def owner(at: Stage) -> int:
    """The process that delivers, by the store."""
    with closing(sqlite3.connect(at.store, timeout=30)) as db:
        process: int = db.execute("SELECT pid FROM owner").fetchone()[0]
    return process


def _frozen_once(at: Stage, serves: dict[int, Process], random: Random, number: int) -> float:
    frozen = serves[owner(at)]
    submitters = []
    if number % 2:
        at.plan(trouble(random, 600))
        submitters = [at.producer(f"p{number}{name}", f"{SEED} {number}") for name in "xy"]
        until(lambda: at.open()[1] >= 1, frozen)
        time.sleep(random.uniform(0, 0.3))
    at.freeze(frozen, random)
    began = time.monotonic()
    until(lambda: owner(at) != frozen.pid, seconds=AT_MOST)
    took = time.monotonic() - began
    time.sleep(random.uniform(0, 2))
    frozen.send_signal(signal.SIGCONT)
    time.sleep(2)
    assert terminate(*submitters) == [0] * len(submitters)
    at.plan()
    until(lambda: at.open() == (0, 0), *serves.values())
    assert owner(at) != frozen.pid, "it took the folder back"
    return took


def main(folder: str, rounds: int = 20) -> None:
    """Freeze so many times."""
    random, waits = Random(SEED), []
    with stage(Path(folder), SEED) as at:
        at.service()  # before there is a webhook
        at.sandbox()
        serves = {}
        for _ in range(2):
            process = at.start("serve", "-m", "signalpost", "serve", "--http", "off")
            serves[process.pid] = process
        until(lambda: owner(at) in serves)
        for number in range(rounds):
            took = _frozen_once(at, serves, random, number)
            waits.append(took)
            sys.stdout.write(f"{number + 1}: {'busy' if number % 2 else 'idle'}, taken over after {took:.1f} s\n")
            sys.stdout.flush()
        assert terminate(*serves.values()) == [0, 0]
        found, late = late_originals(at.evidence())
        demand(found)
    sys.stdout.write(
        f"{rounds} takeovers, {min(waits):.1f} to {max(waits):.1f} s, and no repeat without a mark; {late} "
        "originals were shown after their marked repeat, because their process was frozen while it sent them\n"
    )


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))

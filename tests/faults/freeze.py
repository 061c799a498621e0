"""Freezes a real `signalpost serve` again and again, and checks the channels with the oracle.

    python -m tests.faults.freeze FOLDER [ROUNDS]

Two `serve` and one process without webhooks share a data folder. In each round the one that delivers is stopped
(SIGSTOP), in every second round while producers submit and Discord has a bad day. It continues some seconds after the
other took over. A process that is frozen while it writes blocks all other writers, which another test covers: here it
continues at once and is frozen again. The heartbeat is the usual one, so a round takes about 40 seconds. Prints the
time of each takeover, and fails with everything that breaks a promise, such as an unmarked repeat.
"""

import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from random import Random

from tests.faults.oracle import late_originals
from tests.faults.processes import Process, Processes, bad_day, check, processes, terminate, until
from tests.faults.test_kill_service import SEED

AT_MOST = 45.0
"""Seconds from a freeze to the takeover: 30 without a beat, up to 5 since the last one, and time for a busy machine."""


def owner(run: Processes) -> int:
    """The id of the process that delivers, from the store."""
    with closing(sqlite3.connect(run.store, timeout=30)) as db:
        process: int = db.execute("SELECT pid FROM owner").fetchone()[0]
    return process


def _frozen_once(run: Processes, serves: dict[int, Process], random: Random, number: int) -> float:
    frozen = serves[owner(run)]
    submitters = []
    if number % 2:
        run.plan(bad_day(random, 600))
        submitters = [run.producer(f"p{number}{name}", f"{SEED} {number}") for name in "xy"]
        until(lambda: run.open()[1] >= 1, frozen)
        time.sleep(random.uniform(0, 0.3))
    run.freeze(frozen, random)
    began = time.monotonic()
    until(lambda: owner(run) != frozen.pid, seconds=AT_MOST)
    took = time.monotonic() - began
    time.sleep(random.uniform(0, 2))
    frozen.send_signal(signal.SIGCONT)
    time.sleep(2)
    assert terminate(*submitters) == [0] * len(submitters)
    run.plan()
    until(lambda: run.open() == (0, 0), *serves.values())
    assert owner(run) != frozen.pid, "it took the folder back"
    return took


def main(folder: str, rounds: int = 20) -> None:
    """Freeze so many times."""
    random, waits = Random(SEED), []
    with processes(Path(folder), SEED) as run:
        run.service()  # before there is a webhook
        run.sandbox()
        serves = {}
        for _ in range(2):
            process = run.start("serve", "-m", "signalpost", "serve", "--http", "off")
            serves[process.pid] = process
        until(lambda: owner(run) in serves)
        for number in range(rounds):
            took = _frozen_once(run, serves, random, number)
            waits.append(took)
            sys.stdout.write(f"{number + 1}: {'busy' if number % 2 else 'idle'}, taken over after {took:.1f} s\n")
            sys.stdout.flush()
        assert terminate(*serves.values()) == [0, 0]
        found, late = late_originals(run.evidence())
        check(found)
    sys.stdout.write(
        f"{rounds} takeovers, {min(waits):.1f} to {max(waits):.1f} s, and no repeat without a mark; {late} "
        "originals were shown after their marked repeat, because their process was frozen while it sent them\n"
    )


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))

"""P1, P3, P4: the service is killed again and again, and nothing is lost, out of order or repeated unmarked."""

import os
import sys
import time
from pathlib import Path
from random import Random, SystemRandom

from tests.faults.processes import Process, Processes, bad_day, check, drain, kill, processes, terminate, until
from tests.size import size

KILLS = size(12, 60)
KILLS_AT_A_START = 4
SEED = os.environ.get("FAULTS_SEED") or str(SystemRandom().randrange(10**6))
"""It fixes the submissions, the faults and the times of the kills. The timing of the processes still varies."""


def _busy(run: Processes, service: Process) -> tuple[int, int]:
    """Wait until enough deliveries are pending and in flight, and return both numbers."""
    counts = 0, 0

    def is_busy() -> bool:
        nonlocal counts
        counts = run.open()
        return counts[0] >= 50 and counts[1] >= 1

    until(is_busy, service)
    return counts


def test_however_often_the_service_is_killed_nothing_is_lost_and_nothing_repeats_unmarked(tmp_path: Path) -> None:
    random, began = Random(SEED), time.monotonic()
    with processes(tmp_path, SEED) as run:
        run.sandbox()
        service, client = run.service(), run.client("d", SEED)
        producers = [run.producer(name, SEED) for name in "abc"]
        for number in range(1, KILLS + 1):
            run.plan(bad_day(random, 400))
            time.sleep(random.uniform(0, 2))
            pending, in_flight = _busy(run, service)
            if number % 3:  # while a producer reads an answer
                client.submit(client.author.alert(), on_answer=service.kill)
            kill(service)
            seconds = time.monotonic() - began
            sys.stdout.write(f"kill {number} at {seconds:.1f} s: {pending} pending, {in_flight} in flight\n")
            if number % (KILLS // KILLS_AT_A_START) == 0:
                service = run.service(is_awaited=False)
                time.sleep(random.uniform(0, 0.8))
                kill(service)
            service = run.service()
        run.plan()
        assert terminate(*producers) == [0, 0, 0]
        drain(run, service)
        found = run.evidence()
        check(found)
    numbers = found.numbers
    sys.stdout.write(f"{time.monotonic() - began:.1f} s in all\n")
    for happened in ("attempts lapsed", "attempts unconfirmed", "repeats", "duplicate", "answered after a kill"):
        assert numbers.get(happened, 0) > 0, f"there were no {happened}, so this proves little: {numbers}"

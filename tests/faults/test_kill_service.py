"""P1, P3, P4: the service is killed at any moment, again and again, and nothing accepted is lost, doubled or turned."""

import os
import sys
import time
from pathlib import Path
from random import Random, SystemRandom

from tests.faults.stage import Process, Stage, demand, drain, kill, stage, terminate, trouble, until
from tests.size import size

KILLS = size(20, 60)
KILLS_AT_A_START = 4
SEED = os.environ.get("FAULTS_SEED") or str(SystemRandom().randrange(10**6))
"""Of what is submitted, of the faults and of the moments; a run's timing is its own all the same."""


def _busy(at: Stage, service: Process) -> tuple[int, int]:
    """How many are pending and in flight at the next moment at which there are enough of both."""
    counts = 0, 0

    def is_busy() -> bool:
        nonlocal counts
        counts = at.open()
        return counts[0] >= 50 and counts[1] >= 1

    until(is_busy, service)
    return counts


def test_nothing_is_lost_and_nothing_is_doubled_unmarked_however_often_the_service_is_killed(tmp_path: Path) -> None:
    random, began = Random(SEED), time.monotonic()
    with stage(tmp_path, SEED) as at:
        at.sandbox()
        service, client = at.service(), at.client("d", SEED)
        producers = [at.producer(name, SEED) for name in "abc"]
        for number in range(1, KILLS + 1):
            at.plan(trouble(random, 400))
            time.sleep(random.uniform(0, 2))
            pending, in_flight = _busy(at, service)
            if number % 3:  # in the very moment in which a yes is heard
                client.submit(client.author.alert(), on_answer=service.kill)
            kill(service)
            seconds = time.monotonic() - began
            sys.stdout.write(f"kill {number} at {seconds:.1f} s: {pending} pending, {in_flight} in flight\n")
            if number % (KILLS // KILLS_AT_A_START) == 0:
                service = at.service(is_awaited=False)
                time.sleep(random.uniform(0, 0.8))
                kill(service)
            service = at.service()
        at.plan()
        assert terminate(*producers) == [0, 0, 0]
        drain(at, service)
        found = at.evidence()
        demand(found)
    numbers = found.numbers
    sys.stdout.write(f"{time.monotonic() - began:.1f} s in all\n")
    for happened in ("attempts lapsed", "attempts unconfirmed", "repeats", "duplicate", "answered after a kill"):
        assert numbers.get(happened, 0) > 0, f"there were no {happened}, so this proves little: {numbers}"

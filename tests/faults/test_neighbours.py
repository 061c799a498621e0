"""Several services on one data folder, killed at any time: one delivers what another accepted."""

import sys
import time
from pathlib import Path
from random import Random
from typing import Any

from tests.faults.processes import Client, Process, Processes, bad_day, check, kill, processes, terminate, until
from tests.faults.test_kill_service import SEED
from tests.size import size

PLACES = ("intake-1", "intake-2", "intake-3")
KILLS = size(9, 30)
TAKEN_OVER_WITHIN = 2.0
"""Seconds. A look comes every 0.1 s, but the machine may be busy."""
ASKS = b'{"ask": "health"}\n'


class Neighbours:
    """Three services on one folder, with a client for each."""

    def __init__(self, run: Processes) -> None:
        self._run = run
        self.services: dict[str, Process] = {}
        self._clients: dict[str, Client] = {name: run.client(name, SEED, name) for name in PLACES}

    def start(self, place: str) -> None:
        """Start a service, and wait until it runs."""
        self.services[place] = self._run.service(intake=place)

    def of(self, role: str) -> list[str]:
        """The places of the services with this role."""
        return [place for place, service in self.services.items() if self._role(place, service) == role]

    def kill(self, place: str) -> None:
        """Kill a service, like a power cut."""
        kill(self.services.pop(place))

    def _role(self, place: str, service: Process) -> Any:
        until(lambda: self._tells(place) is not None, service)
        return (self._tells(place) or {}).get("role")

    def _tells(self, place: str) -> dict[str, Any] | None:
        try:
            return self._clients[place].ask(ASKS)
        except OSError:
            return None


def test_whichever_service_is_killed_nothing_is_lost_or_repeats_unmarked_and_another_takes_over(tmp_path: Path) -> None:
    random, waits = Random(SEED), []
    with processes(tmp_path, SEED) as run:
        run.sandbox()
        neighbours = Neighbours(run)
        for place in PLACES:
            neighbours.start(place)
        assert len(neighbours.of("owner")) == 1
        submitters = [run.producer(name, SEED, place) for name, place in zip("abc", PLACES, strict=True)]
        for number in range(1, KILLS + 1):
            run.plan(bad_day(random, 400))
            (owner,) = neighbours.of("owner")
            until(lambda: run.open()[1] >= 1, neighbours.services[owner])
            time.sleep(random.uniform(0, 0.3))
            if number % 3 == 0:
                victim = random.choice(neighbours.of("producer"))
                neighbours.kill(victim)
                assert neighbours.of("owner") == [owner], "the death of another changes nothing"
            else:
                victim = owner
                neighbours.kill(victim)
                began = time.monotonic()
                until(lambda: bool(neighbours.of("owner")), seconds=TAKEN_OVER_WITHIN)
                waits.append(time.monotonic() - began)
            neighbours.start(victim)
        run.plan()
        assert terminate(*submitters) == [0, 0, 0]
        until(lambda: run.open() == (0, 0), *neighbours.services.values())
        (owner,) = neighbours.of("owner")
        assert terminate(neighbours.services.pop(owner)) == [0]
        until(lambda: len(neighbours.of("owner")) == 1, seconds=TAKEN_OVER_WITHIN)
        assert terminate(*neighbours.services.values()) == [0, 0]
        found = run.evidence()
        check(found)
    sys.stdout.write(f"taken over after {', '.join(f'{wait:.3f}' for wait in waits)} s\n")
    for happened in ("attempts lapsed", "repeats", "duplicate", "answered after a kill"):
        assert found.numbers.get(happened, 0) > 0, f"there were no {happened}, so this proves little: {found.numbers}"

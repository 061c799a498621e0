"""Several services on one data folder, killed at any moment: what one of them accepted, one of them delivers."""

import sys
import time
from pathlib import Path
from random import Random
from typing import Any

from tests.faults.stage import Client, Process, Stage, demand, kill, stage, terminate, trouble, until
from tests.faults.test_kill_service import SEED
from tests.size import size

PLACES = ("intake-1", "intake-2", "intake-3")
KILLS = size(9, 30)
TAKEN_OVER_WITHIN = 2.0
"""Seconds, generously: a look comes every 0.1 s, and this machine has much to do."""
ASKS = b'{"ask": "health"}\n'


class Neighbours:
    """Three services on one folder, and a hand at each."""

    def __init__(self, at: Stage) -> None:
        self._at = at
        self.services: dict[str, Process] = {}
        self._hands: dict[str, Client] = {name: at.client(name, SEED, name) for name in PLACES}

    def start(self, place: str) -> None:
        """Start a service, and wait until it runs."""
        self.services[place] = self._at.service(intake=place)

    def of(self, role: str) -> list[str]:
        """Where the services of this role are."""
        return [place for place, service in self.services.items() if self._role(place, service) == role]

    def kill(self, place: str) -> None:
        """End a service as a power cut would."""
        kill(self.services.pop(place))

    def _role(self, place: str, service: Process) -> Any:
        until(lambda: self._tells(place) is not None, service)
        return (self._tells(place) or {}).get("role")

    def _tells(self, place: str) -> dict[str, Any] | None:
        try:
            return self._hands[place].ask(ASKS)
        except OSError:
            return None


def test_whoever_is_killed_nothing_is_lost_nothing_doubled_unmarked_and_another_takes_over(tmp_path: Path) -> None:
    random, waits = Random(SEED), []
    with stage(tmp_path, SEED) as at:
        at.sandbox()
        neighbours = Neighbours(at)
        for place in PLACES:
            neighbours.start(place)
        assert len(neighbours.of("owner")) == 1
        submitters = [at.producer(name, SEED, place) for name, place in zip("abc", PLACES, strict=True)]
        for number in range(1, KILLS + 1):
            at.plan(trouble(random, 400))
            (owner,) = neighbours.of("owner")
            until(lambda: at.open()[1] >= 1, neighbours.services[owner])
            time.sleep(random.uniform(0, 0.3))
            if number % 3 == 0:
                victim = random.choice(neighbours.of("producer"))
                neighbours.kill(victim)
                assert neighbours.of("owner") == [owner], "another's death changes nothing"
            else:
                victim = owner
                neighbours.kill(victim)
                began = time.monotonic()
                until(lambda: bool(neighbours.of("owner")), seconds=TAKEN_OVER_WITHIN)
                waits.append(time.monotonic() - began)
            neighbours.start(victim)
        at.plan()
        assert terminate(*submitters) == [0, 0, 0]
        until(lambda: at.open() == (0, 0), *neighbours.services.values())
        (owner,) = neighbours.of("owner")
        assert terminate(neighbours.services.pop(owner)) == [0]
        until(lambda: len(neighbours.of("owner")) == 1, seconds=TAKEN_OVER_WITHIN)
        assert terminate(*neighbours.services.values()) == [0, 0]
        found = at.evidence()
        demand(found)
    sys.stdout.write(f"taken over after {', '.join(f'{wait:.3f}' for wait in waits)} s\n")
    for happened in ("attempts lapsed", "repeats", "duplicate", "answered after a kill"):
        assert found.numbers.get(happened, 0) > 0, f"there were no {happened}, so this proves little: {found.numbers}"

"""Many seeds, over as many processes as there are cores."""

import logging
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

from simulation.reader import findings
from simulation.run import simulate
from simulation.tally import Tally

_AT_ONCE = 8


class Verdict(NamedTuple):
    """What was found in one run."""

    seed: int
    hours: float
    findings: tuple[str, ...]

    @property
    def command(self) -> str:
        """How to see it again."""
        return f"python -m simulation --seed {self.seed} --hours {self.hours:g}"


class Judged(NamedTuple):
    """Some runs, judged."""

    tally: Tally
    failed: tuple[Verdict, ...]


def judged(seeds: Iterable[int], hours: float) -> Judged:
    """Run seeds one after the other, and judge each."""
    logging.getLogger("signalpost").setLevel(logging.CRITICAL)
    tally, failed = Tally(), []
    for seed in seeds:
        run = simulate(seed, hours)
        tally.add(run)
        if found := findings(run):
            failed.append(Verdict(seed, hours, tuple(found)))
    return Judged(tally, tuple(failed))


def judged_by_all_cores(seeds: range, hours: float) -> Iterator[Judged]:
    """Run seeds side by side; a few at a time, in order, so that what is judged can be told meanwhile."""
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        parts = [seeds[first : first + _AT_ONCE] for first in range(0, len(seeds), _AT_ONCE)]
        try:
            yield from pool.map(judged, parts, [hours] * len(parts))
        finally:
            pool.shutdown(cancel_futures=True)

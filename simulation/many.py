"""Many seeds, over as many processes as there are cores."""

import logging
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import NamedTuple

from simulation.check import findings
from simulation.run import simulate
from simulation.tally import Tally

_AT_ONCE = 8


class Verdict(NamedTuple):
    """What was found in one run."""

    seed: int
    hours: float
    findings: tuple[str, ...]
    is_calm: bool = False

    @property
    def command(self) -> str:
        """How to see it again."""
        calm = " --calm" if self.is_calm else ""
        return f"python -m simulation --seed {self.seed} --hours {self.hours:g}{calm}"


class Judged(NamedTuple):
    """Some runs, judged."""

    tally: Tally
    failed: tuple[Verdict, ...]


def judged(seeds: Iterable[int], hours: float, *, is_calm: bool = False) -> Judged:
    """Run seeds one after the other, and judge each."""
    logging.getLogger("signalpost").setLevel(logging.CRITICAL)
    tally, failed = Tally(), []
    for seed in seeds:
        run = simulate(seed, hours, is_calm=is_calm)
        tally.add(run)
        if found := findings(run):
            failed.append(Verdict(seed, hours, tuple(found), is_calm))
    return Judged(tally, tuple(failed))


def judged_by_all_cores(seeds: range, hours: float, *, is_calm: bool = False) -> Iterator[Judged]:
    """Run seeds side by side; a few at a time, in order, so that what is judged can be told meanwhile."""
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        parts = [seeds[first : first + _AT_ONCE] for first in range(0, len(seeds), _AT_ONCE)]
        try:
            yield from pool.map(partial(judged, hours=hours, is_calm=is_calm), parts)
        finally:
            pool.shutdown(cancel_futures=True)

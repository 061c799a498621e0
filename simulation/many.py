"""Runs many seeds, with one process per core."""

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
    """The findings in one run."""

    seed: int
    hours: float
    findings: tuple[str, ...]
    is_calm: bool = False
    has_trades: bool = True
    has_strategies: bool = False

    @property
    def command(self) -> str:
        """The command that repeats the run."""
        options = " --calm" * self.is_calm + " --without-trades" * (not self.has_trades)
        options += " --strategies" * self.has_strategies
        return f"python -m simulation --seed {self.seed} --hours {self.hours:g}{options}"


class Judged(NamedTuple):
    """The result of some runs."""

    tally: Tally
    failed: tuple[Verdict, ...]


def judged(
    seeds: Iterable[int], hours: float, *, is_calm: bool = False, has_trades: bool = True, has_strategies: bool = False
) -> Judged:
    """Run seeds one after another and check each."""
    logging.getLogger("signalpost").setLevel(logging.CRITICAL)
    tally, failed = Tally(has_strategies=has_strategies), []
    for seed in seeds:
        run = simulate(seed, hours, is_calm=is_calm, has_trades=has_trades, has_strategies=has_strategies)
        tally.add(run)
        if found := findings(run):
            failed.append(Verdict(seed, hours, tuple(found), is_calm, has_trades, has_strategies))
    return Judged(tally, tuple(failed))


def judged_by_all_cores(
    seeds: range, hours: float, *, is_calm: bool = False, has_trades: bool = True, has_strategies: bool = False
) -> Iterator[Judged]:
    """Run seeds in parallel and yield results in order, a few at a time, so that progress can be reported."""
    cores = os.cpu_count() or 1
    judge = partial(judged, hours=hours, is_calm=is_calm, has_trades=has_trades, has_strategies=has_strategies)
    at_once = 1 if has_strategies else _AT_ONCE
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        parts = [seeds[first : first + at_once] for first in range(0, len(seeds), at_once)]
        try:
            yield from pool.map(judge, parts)
        finally:
            pool.shutdown(cancel_futures=True)

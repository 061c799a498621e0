"""Run it: `make simulate SEEDS=200 HOURS=2`, or one seed again: `python -m simulation --seed 17 --hours 2`.

Exits with 1 where a promise was broken, or where something that has to occur did not.
"""

import argparse
import logging
import sys
import time

from simulation.many import Verdict, judged, judged_by_all_cores
from simulation.run import simulate
from simulation.tally import Tally

TELL_EVERY = 30.0
"""Seconds between two words on how far it is."""


def main() -> int:
    """Run what was asked for, and tell what was found."""
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds (200)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (0)")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--hours", type=float, default=2.0, help="simulated hours of each (2)")
    parser.add_argument("--calm", action="store_true", help="nothing goes wrong, and health must say so all the time")
    parser.add_argument("--digests", action="store_true", help="only print each seed's digest, to compare processes")
    parser.add_argument("--stop", action="store_true", help="stop where one breaks a promise; nothing has to occur")
    asked = parser.parse_args()
    if asked.seed is not None:
        return _one(asked.seed, asked.hours, is_calm=asked.calm)
    seeds = range(asked.first, asked.first + asked.seeds)
    if asked.digests:
        return _digests(seeds, asked.hours)
    print(f"seeds {seeds.start} to {seeds.stop - 1}, {asked.hours:g} simulated hours each")
    began, tally, failed = time.perf_counter(), Tally(), list[Verdict]()
    told_at = began
    for part in judged_by_all_cores(seeds, asked.hours, is_calm=asked.calm):
        tally.update(part.tally)
        failed += part.failed
        if time.perf_counter() > told_at + TELL_EVERY:
            told_at = time.perf_counter()
            done = f"{tally.runs} of {len(seeds)} seeds, {tally.hours / 24:.1f} simulated days, {len(failed)} broken"
            print(f"{done}, after {told_at - began:.0f} s", file=sys.stderr, flush=True)
        for verdict in part.failed:
            _tell(verdict)
        if failed and asked.stop:
            return 1
    took = time.perf_counter() - began
    print(tally.table())
    days = tally.hours / 24
    print(f"{days:.1f} simulated days, {tally.notifications} notifications, {tally.requests} requests in {took:.0f} s")
    for name in (missing := [] if asked.stop or asked.calm else tally.missing()):
        print(f"did not occur, and has to: {name}")
    print(f"{len(failed)} of {tally.runs} seeds break a promise")
    return 1 if failed or missing else 0


def _one(seed: int, hours: float, *, is_calm: bool) -> int:
    print(f"seed {seed}, {hours:g} simulated hours: {simulate(seed, hours, is_calm=is_calm).digest}")
    (failed,) = judged([seed], hours, is_calm=is_calm).failed or (None,)
    if failed is not None:
        _tell(failed)
    return 1 if failed else 0


def _digests(seeds: range, hours: float) -> int:
    logging.getLogger("signalpost").setLevel(logging.CRITICAL)
    for seed in seeds:
        print(seed, simulate(seed, hours).digest)
    return 0


def _tell(verdict: Verdict) -> None:
    print(f"seed {verdict.seed}: {len(verdict.findings)} findings ({verdict.command})")
    for finding in verdict.findings[:10]:
        print(f"    {finding}")


if __name__ == "__main__":
    sys.exit(main())

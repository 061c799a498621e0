"""Run `make simulate SEEDS=200 HOURS=2`, or repeat one seed: `python -m simulation --seed 17 --hours 2`.

With --strategies, strategies make all signals, over a weekend, from a feed and a cache that fail.

The exit code is 1 if a promise is broken or a required fault or event did not occur.
"""

import argparse
import logging
import sys
import time

from simulation.candles import WEEK
from simulation.check import findings
from simulation.many import Verdict, judged_by_all_cores
from simulation.run import simulate
from simulation.tally import Tally

REPORT_EVERY = 30.0
"""Seconds between progress lines."""


def main() -> int:
    """Run the seeds and print the findings."""
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=200, help="number of seeds (200)")
    parser.add_argument("--first", type=int, default=0, help="first seed (0)")
    parser.add_argument("--seed", type=int, help="run only this seed")
    parser.add_argument("--hours", type=float, help=f"simulated hours per seed (2, or {WEEK:g} of strategies)")
    parser.add_argument("--without-trades", action="store_true", help="no changes of signals, as in older runs")
    parser.add_argument("--strategies", action="store_true", help="strategies make all signals")
    parser.add_argument("--calm", action="store_true", help="no faults; health must report no problems")
    parser.add_argument("--digests", action="store_true", help="print only each seed's digest, to compare processes")
    parser.add_argument("--stop", action="store_true", help="stop at the first broken promise; require no faults")
    options = parser.parse_args()
    options.hours = options.hours or (WEEK if options.strategies else 2.0)
    kind = {
        "is_calm": options.calm, "has_trades": not options.without_trades, "has_strategies": options.strategies,
    }  # fmt: skip
    if options.seed is not None:
        return _one(options.seed, options.hours, kind)
    seeds = range(options.first, options.first + options.seeds)
    if options.digests:
        return _digests(seeds, options.hours)
    print(f"seeds {seeds.start} to {seeds.stop - 1}, {options.hours:g} simulated hours each")
    began, tally, failed = time.perf_counter(), Tally(has_strategies=options.strategies), list[Verdict]()
    reported_at = began
    for part in judged_by_all_cores(seeds, options.hours, **kind):
        tally.update(part.tally)
        failed += part.failed
        if time.perf_counter() > reported_at + REPORT_EVERY:
            reported_at = time.perf_counter()
            done = f"{tally.runs} of {len(seeds)} seeds, {tally.hours / 24:.1f} simulated days, {len(failed)} broken"
            print(f"{done}, after {reported_at - began:.0f} s", file=sys.stderr, flush=True)
        for verdict in part.failed:
            _report(verdict)
        if failed and options.stop:
            return 1
    took = time.perf_counter() - began
    print(tally.table())
    days = tally.hours / 24
    print(f"{days:.1f} simulated days, {tally.notifications} notifications, {tally.requests} requests in {took:.0f} s")
    for name in (missing := [] if options.stop or options.calm else tally.missing()):
        print(f"required, but did not occur: {name}")
    print(f"{len(failed)} of {tally.runs} seeds break a promise")
    return 1 if failed or missing else 0


def _one(seed: int, hours: float, kind: dict[str, bool]) -> int:
    logging.getLogger("signalpost").setLevel(logging.CRITICAL)
    run = simulate(seed, hours, **kind)
    print(f"seed {seed}, {hours:g} simulated hours: {run.digest}")
    if found := findings(run):
        _report(Verdict(seed, hours, tuple(found), **kind))
    return 1 if found else 0


def _digests(seeds: range, hours: float) -> int:
    logging.getLogger("signalpost").setLevel(logging.CRITICAL)
    for seed in seeds:
        print(seed, simulate(seed, hours).digest)
    return 0


def _report(verdict: Verdict) -> None:
    print(f"seed {verdict.seed}: {len(verdict.findings)} findings ({verdict.command})")
    for finding in verdict.findings[:10]:
        print(f"    {finding}")


if __name__ == "__main__":
    sys.exit(main())

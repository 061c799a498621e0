"""Simulates many runs: reads lines like `[20, 6, false]`, and answers each with its findings as JSON.

A line has a seed, its hours, and whether trades change.
"""

import json
import logging
import sys

from simulation.check import findings
from simulation.run import simulate


def main() -> None:
    """Answer until standard input ends."""
    logging.getLogger("signalpost").setLevel(logging.CRITICAL)
    for line in sys.stdin:
        seed, hours, has_trades = json.loads(line)
        sys.stdout.write(
            json.dumps([str(each) for each in findings(simulate(seed, hours, has_trades=has_trades))]) + "\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()

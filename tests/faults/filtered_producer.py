"""A process that puts signals through filters into a store, one at a time, and prints the rule of each.

python filtered_producer.py STORE SEED
"""

import asyncio
import sys

from signalpost.delivery.deduplication import Filters
from signalpost.delivery.outbox.sqlite import SqliteCore
from tests.unit.delivery.intake_harness import IntakeHarness, signal

FILTERS = Filters(max_per_day=7, one_per_candle=True)
SIGNALS = 15


async def main(store: str, seed: str) -> None:
    core = SqliteCore(store, owns=False)
    harness = IntakeHarness(core=core, filters=FILTERS, seed=int(seed))
    sys.stdin.readline()  # until all have started
    for number in range(SIGNALS):
        names = {"signal_id": f"{seed} {number}", "strategy_name": str(number)}
        ticket = await harness.intake.accept(signal(**names, valid_until="2100-01-01T00:00:00Z"))
        sys.stdout.write(f"{ticket.code}\n")
    core.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

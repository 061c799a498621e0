"""Measures the memory of a backlog: a service with a hanging server, before and after accepting many signals.

Each figure comes from its own process. `python -m benchmarks.memory PORT [traced]` prints one, in bytes.
"""

import asyncio
import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.sample import config, signals, tier_of
from benchmarks.server import server_port
from benchmarks.table import Row
from signalpost.cli.loop import run
from signalpost.service import AsyncNotificationService

QUEUED, WARM, PRODUCERS, ROUNDS = 10_000, 100, 100, 3


def rows() -> Iterator[Row]:
    """Run this benchmark."""
    with server_port("hang") as port:
        resident, traced = (median(grown(str(port), *how) for _ in range(ROUNDS)) / 1e6 for how in ((), ("traced",)))
    yield Row(f"{QUEUED:,} queued, resident above idle", resident, "MB", target="less than 10 MB", holds=resident < 10)
    yield Row("of that, allocated by Python", traced, "MB")


def grown(*arguments: str) -> int:
    """Run a process and return the figure it prints."""
    command = [sys.executable, "-m", "benchmarks.memory", *arguments]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


async def growth(home: Path, port: int, held: Callable[[], int]) -> int:
    """The growth of `held` caused by the backlog."""
    service = AsyncNotificationService(config(home, port))
    await service.start()
    await queue(service, WARM, since=0)
    before = held()
    await queue(service, QUEUED, since=WARM)
    after = held()
    await service.stop(0)
    return after - before


async def queue(service: AsyncNotificationService, count: int, since: int) -> None:
    """Queue `count` signals, each created when it is queued and then dropped by its producer."""
    waiting = iter(signals(count, since))

    async def producer() -> None:
        for signal in waiting:
            await service.queue_notification(signal, user_tier=tier_of(0))

    await asyncio.gather(*(producer() for _ in range(PRODUCERS)))


def resident() -> int:
    """Resident memory of this process in bytes."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def traced() -> int:
    """Memory allocated by Python in bytes."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def main(port: str, how: str = "resident") -> None:
    """Print the growth of the memory."""
    if how == "traced":
        tracemalloc.start()
    with TemporaryDirectory() as home:
        print(run(growth(Path(home), int(port), traced if how == "traced" else resident)))


if __name__ == "__main__":
    main(*sys.argv[1:])

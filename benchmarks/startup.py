"""Measures the time to import the package and to run `signalpost --help`."""

from collections.abc import Iterator

from benchmarks.measure import process, seconds
from benchmarks.table import Row

ROUNDS = 15


def rows() -> Iterator[Row]:
    """Run this benchmark."""
    taken = seconds(
        {
            "bare": process("-c", "pass"),
            "strategy": process("-c", "from signalpost import Candle, MAUnifiedStrategy, Signal"),
            "aiohttp": process("-c", "import aiohttp"),
            "service": process("-c", "from signalpost import AsyncNotificationService"),
            "running": process("-c", "import signalpost.service.run"),
            "help": process("-m", "signalpost", "--help"),
        },
        rounds=ROUNDS,
    )
    bare, strategy, aiohttp, service, running, helped = (each * 1e3 for each in taken.values())
    yield Row(
        "signalpost --help; beside python -c pass",
        helped,
        "ms",
        bare,
        helped / bare,
        target="less than 300 ms more",
        holds=helped - bare < 300,
    )
    yield Row("import Candle, MAUnifiedStrategy, Signal; beside python -c pass", strategy, "ms", bare, strategy / bare)
    yield Row(
        "import AsyncNotificationService; beside import aiohttp",
        service,
        "ms",
        aiohttp,
        service / aiohttp,
        target="at most 1.4 x",
        holds=service <= 1.4 * aiohttp,
    )
    yield Row("all modules of its start; beside import aiohttp", running, "ms", aiohttp, running / aiohttp)

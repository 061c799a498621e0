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
    longer = service / aiohttp
    yield Row("python -c pass", f"{bare:.0f} ms", "the floor", None)
    yield Row("from signalpost import Candle, MAUnifiedStrategy, Signal", f"+{strategy - bare:.0f} ms", "", None)
    yield Row("signalpost --help", f"+{helped - bare:.0f} ms", "less than 300 ms more", helped - bare < 300)
    yield Row("import aiohttp", f"{aiohttp:.0f} ms", "the other floor", None)
    yield Row("from signalpost import AsyncNotificationService", f"{service:.0f} ms", "", None)
    yield Row("", f"{longer:.2f} x", "at most 1.4 x import aiohttp", longer <= 1.4)
    yield Row("with all modules of its start", f"{running:.0f} ms", f"{running / aiohttp:.2f} x import aiohttp", None)

"""How long a person waits before anything happens: importing the package, and `signalpost --help`."""

from collections.abc import Iterator

from benchmarks.measure import process, seconds
from benchmarks.table import Row

ROUNDS = 15


def rows() -> Iterator[Row]:
    """The rows of this benchmark, measured now."""
    taken = seconds(
        {
            "bare": process("-c", "pass"),
            "import": process("-c", "from signalpost import Candle, MAUnifiedStrategy, Signal"),
            "help": process("-m", "signalpost", "--help"),
        },
        rounds=ROUNDS,
    )
    bare, imported, helped = (taken[name] * 1e3 for name in ("bare", "import", "help"))
    yield Row("python -c pass", f"{bare:.0f} ms", "the floor", None)
    yield Row("from signalpost import Candle, MAUnifiedStrategy, Signal", f"+{imported - bare:.0f} ms", "", None)
    yield Row("signalpost --help", f"+{helped - bare:.0f} ms", "less than 300 ms more", helped - bare < 300)

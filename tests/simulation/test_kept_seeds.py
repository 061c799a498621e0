"""Seeds that once found a bug; each must keep passing. A day takes ten seconds, so days run only in `make test-all`."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from simulation.many import Verdict
from tests.simulation.process import simulating
from tests.size import size

KEPT = [
    pytest.param(20, 6, id="a lapse fills a slot of the next process"),
    pytest.param(2228, 3, id="the breaker opens while a sender leases"),
    pytest.param(2182, 3, id="a ban is answered while senders lease"),
    pytest.param(2232, 3, id="a ban is answered while senders of other destinations lease"),
    pytest.param(2090, 3, id="an answer demands a wait while a sender leases"),
    pytest.param(2187, 3, id="a slow answer reports the remaining requests of an earlier moment"),
    pytest.param(3182, 3, id="an unreadable body contained the code of a deleted webhook"),
    pytest.param(8, 2, id="a probe answered with an HTML page counts as alive"),
]
DAYS = [
    pytest.param(1016, 24, id="a delivery is revived twice"),
    pytest.param(10786, 24, id="a crash between a verdict and the rate facts of its message"),
    pytest.param(100793, 24, id="a repeat of a held notification is answered as a duplicate"),
    pytest.param(300823, 24, id="a process that starts during an outage of messages counts their failures"),
    pytest.param(500709, 24, id="the breaker opens for half of the last minute, then an older failure arrives"),
    pytest.param(508882, 24, id="the breaker opens because of probes that fail between messages"),
]
KEPT_WITH_TRADES = [
    pytest.param(41001, 2, id="a person revives what was passed on, and its fallback shows it as well"),
]
DAYS_WITH_TRADES = [
    pytest.param(20063, 24, id="a trade ends while the clock is set back to before its last part"),
    pytest.param(20097, 24, id="edits of one card fail with a 5xx after the breaker has opened"),
    pytest.param(30092, 24, id="a process dies with the receipt of an edit, and the repeat is refused"),
    pytest.param(30099, 24, id="a message is leased in the transaction that saves the news after it"),
    pytest.param(30105, 24, id="a stop is corrected, the clock is set back, and the order is filled"),
    pytest.param(30226, 24, id="the news of an end waits until the trade is reopened, and is revived"),
    pytest.param(40185, 24, id="many cards were deleted, and an edit of each asks where it is"),
    pytest.param(40186, 24, id="a trade whose opening was revived is changed after everything else of it has ended"),
    pytest.param(40269, 24, id="a stop is moved, the clock is set back, and the order is filled"),
]
CASES = [pytest.param(*each.values, False, id=each.id) for each in KEPT + DAYS[: size(0, len(DAYS))]]
CASES += [
    pytest.param(*each.values, True, id=each.id)
    for each in KEPT_WITH_TRADES + DAYS_WITH_TRADES[: size(0, len(DAYS_WITH_TRADES))]
]


@pytest.fixture(scope="module")
def simulator() -> "Iterator[subprocess.Popen[str]]":
    """One process for all seeds: its start takes as long as three simulated hours."""
    with simulating("tests.simulation.findings_process") as process:
        yield process


@pytest.mark.parametrize(("seed", "hours", "has_trades"), CASES)
def test_a_kept_seed_finds_nothing(
    seed: int, hours: float, has_trades: bool, simulator: "subprocess.Popen[str]"
) -> None:
    """Those without trades were found before signals could be changed, and are the same runs still."""
    assert simulator.stdin is not None
    assert simulator.stdout is not None
    simulator.stdin.write(f"{json.dumps([seed, hours, has_trades])}\n")
    simulator.stdin.flush()
    answer = simulator.stdout.readline()
    assert answer, f"it ended with {simulator.wait(60)}"
    assert json.loads(answer) == [], Verdict(seed, hours, (), has_trades=has_trades).command

"""Refusals in real processes: each is logged before the process ends, and a signal handler may call `send_signal`."""

import subprocess
import sys

from tests.acceptance.conftest import Environment

REFUSED = """
from datetime import UTC, datetime
from signalpost import Signal, send_signal

one = Signal(pair="EURUSD", timeframe="H4", signal_type="BUY", entry_price="1.1634", timestamp=datetime.now(UTC))
for _ in range(5):
    send_signal(one)
"""

INTERRUPTED = """
import signal
from datetime import UTC, datetime
from signalpost import Signal, configure, send_signal

one = Signal(pair="EURUSD", timeframe="H4", signal_type="BUY", entry_price="1.1634", timestamp=datetime.now(UTC))
handled = 0


def hand_over(*_):
    global handled
    handled += 1
    send_signal(one)


if FALLBACK:
    configure(fallback=lambda _: None)
signal.signal(signal.SIGALRM, hand_over)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
while handled < 150:
    send_signal(one)
signal.setitimer(signal.ITIMER_REAL, 0)
print(handled)
"""


def ended(program: str, environment: Environment) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=True
    )


def test_a_program_that_ends_at_once_has_logged_every_refusal(environment: Environment) -> None:
    lines = ended(REFUSED, environment).stderr.splitlines()
    counts = [int(first) if (first := line.split()[0]).isdigit() else 1 for line in lines]
    assert sum(counts) == 5
    assert all("refused" in line for line in lines)
    assert "on_strategy_start()" in lines[-1]


def test_send_signal_in_a_signal_handler_does_not_block_before_the_start(environment: Environment) -> None:
    for fallback in ("True", "False"):
        program = INTERRUPTED.replace("FALLBACK", fallback)
        assert int(ended(program, environment).stdout) >= 150

"""What is refused at hand-over in real processes: it is told before they end, and a signal's handler may hand over."""

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
while handled < 500:
    send_signal(one)
signal.setitimer(signal.ITIMER_REAL, 0)
print("all is handed over")
"""


def ended(program: str, environment: Environment) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=True
    )


def test_a_program_that_ends_at_once_has_told_of_each_refusal(environment: Environment) -> None:
    lines = ended(REFUSED, environment).stderr.splitlines()
    counts = [1 if line.startswith("a notification was refused: ") else int(line.split()[0]) for line in lines]
    assert sum(counts) == 5
    assert lines[-1].endswith("the service does not run: call on_strategy_start() first")


def test_a_signals_handler_that_hands_over_before_a_start_waits_for_nothing(environment: Environment) -> None:
    for fallback in ("True", "False"):
        program = INTERRUPTED.replace("FALLBACK", fallback)
        assert ended(program, environment).stdout == "all is handed over\n"

"""`signalpost demo`: one run for most tests, and for the pages that show its results."""

import json
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pytest

from signalpost.trading.feeds.bundled import bundled_candles, bundled_days
from signalpost.trading.replay import replay
from signalpost.trading.strategies.ma_unified import MAUnifiedStrategy
from signalpost.trading.strategies_file import bundled_strategies
from tests.acceptance.serving import READY
from tests.repository.quick_demo import quick_demo
from tests.trade_ends import ends

COMMAND = [sys.executable, "-m", "signalpost", "demo", "--port", "0"]
DAYS_OF_TWO_PAIRS = """
from signalpost.cli import demo_setup, main
strategies = [each for each in demo_setup.bundled_strategies() if each.config.key.endswith("_D")]
demo_setup.bundled_strategies = lambda: strategies
demo_setup.bundled_pairs = lambda: ("EUR_USD", "USD_CAD")
main(["demo", "--to-discord", "--speed", "1000"])
"""


@pytest.fixture(scope="module")
def ended() -> subprocess.CompletedProcess[str]:
    """A demo with `--exit`, run in an empty folder, where it left no file."""
    return quick_demo()


def rows(text: str) -> list[str]:
    return [" ".join(line.replace("│", " ").split()) for line in text.splitlines()]


def test_every_signal_is_delivered(ended: subprocess.CompletedProcess[str]) -> None:
    assert ended.returncode == 0, ended.stderr
    assert "clock" not in ended.stderr, "a replay's clock leaps, and that is no reason for a warning"
    shown = rows(ended.stdout)
    assert [row for row in shown if re.findall(r"\d[\d,]*\d", row) == ["27,587", "451", "454"]]
    delivered = [row.split() for row in shown if " delivered " in row]
    assert [row[:3] for row in delivered] == [
        ["alerts-critical", "delivered", "1"],
        ["signals-free", "delivered", "226"],
        ["signals-premium", "delivered", "225"],
        ["system-status", "delivered", "2"],
    ]


def test_every_end_is_shown_on_its_card_and_beside_it(ended: subprocess.CompletedProcess[str]) -> None:
    """Two signals are open at the end. Edits are fills, ends and charts; the next one may replace one that waits."""
    (_, free, premium, _) = [row.split() for row in rows(ended.stdout) if " delivered " in row]
    assert (free[-1], premium[-1]) == ("225", "224")
    assert 225 <= int(free[-2]) <= 226 + 225 + 226
    assert 224 <= int(premium[-2]) <= 225 + 224 + 225


@pytest.mark.parametrize("key", ["GBP_USD_H4", "GBP_USD_D"])
def test_the_results_are_those_of_an_independent_computation(ended: subprocess.CompletedProcess[str], key: str) -> None:
    """One pair with break-even trades, reversals, and a trade that is open at the end."""
    (config,) = (each.config for each in bundled_strategies() if each.config.key == key)
    candles = bundled_candles(config.pair) if key.endswith("H4") else bundled_days(config.pair).candles
    expected = ends(replay(MAUnifiedStrategy(config), candles).signals, candles)
    results = [each.r for each in expected if each.price is not None]
    wins = sum(r >= Fraction(1, 20) for r in results)
    losses = sum(r <= Fraction(-1, 20) for r in results)
    counts = Counter(each.how for each in expected)
    last = [row for row in rows(ended.stdout) if row.startswith(f"{key} ")][-1]
    assert last.split()[1:-1] == [
        str(count)
        for count in (
            len(expected), wins, losses, len(results) - wins - losses, counts["open"], counts["gapped"],
        )
    ]  # fmt: skip
    assert last.split()[-1] == f"{Decimal(round(sum(results) * 100)) / 100:+}"


def test_the_last_signals_and_each_strategy_are_shown(ended: subprocess.CompletedProcess[str]) -> None:
    shown = rows(ended.stdout)
    assert [row for row in shown if re.findall(r"\d+", row) == ["10", "451"]]
    assert "2022-03-04 22:00 GBP_USD D SELL 1.32331 1.33935 1.29926 160.4 / 240.5 1.50" in shown
    counted = [row.split() for row in shown if re.match(r"\w{3}_\w{3}_(H4|D) ", row)]
    counts = {key: figures for key, *figures in reversed([row[:4] for row in counted])}
    assert (len(counts), len(counted)) == (14, 28), "their crosses, and their results"
    assert counts["EUR_USD_H4"] == ["3,378", "30", "30"]
    assert counts["USD_CAD_D"] == ["563", "4", "4"]


def test_missing_candles_and_weeks_off_the_grid_are_named(ended: subprocess.CompletedProcess[str]) -> None:
    text = " ".join(ended.stdout.split())
    assert "NZD_USD_H4, NZD_USD_D" in text
    assert re.search(r"\b7 weeks\b", text)
    assert "2020-03-09, 2020-03-16, 2020-03-23, 2020-10-26, 2021-03-15, 2021-03-22, 2021-11-01" in text


def test_each_latency_is_shown_with_its_verdict(ended: subprocess.CompletedProcess[str]) -> None:
    """A verdict is shown; which one is not checked, because a busy machine may be slow."""
    verdicts = [row for row in rows(ended.stdout) if row.endswith(("pass", "fail"))]
    assert [re.findall(r"[\d,]+(?= ms (?:pass|fail)$)", row) for row in verdicts] == [
        ["500"], ["100"], ["1,000"], ["5,000"],
    ]  # fmt: skip


def test_the_page_stays_up_after_the_end_until_ctrl_c_and_refused_signals_make_the_exit_code_1(
    sandbox: str, environment: dict[str, str]
) -> None:
    own = {**environment, "SIGNALPOST_LIMITS": "off"}
    command = [sys.executable, "-c", DAYS_OF_TWO_PAIRS]
    with subprocess.Popen(command, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(300, process.kill)
        watchdog.start()
        assert process.stderr is not None
        next(line for line in process.stderr if READY in line)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate()
        watchdog.cancel()
    assert process.returncode == 1
    shown = rows(output)
    assert [row for row in shown if row.startswith("signals-free delivered 4 ")]
    assert [row for row in shown if "refused" in row.lower() and "signals-premium" in row]


def test_ctrl_c_during_the_replay_ends_it_with_exit_code_0_and_json_has_the_figures_until_then() -> None:
    process = subprocess.Popen([*COMMAND, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        assert process.stderr is not None
        address = re.search(r"http://127\.0\.0\.1:\d+/", process.stderr.readline())
        assert address is not None
        with urllib.request.urlopen(address[0]) as page:
            assert "signalpost" in page.read().decode()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate()
    finally:
        watchdog.cancel()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    figures = json.loads(output)
    assert (figures["is_whole"], figures["refused"]) == (False, [])
    assert figures["candles"] < 27_587
    assert {"signals", "all_delivered", "deliveries", "seconds", "results"} < set(figures)

import json
import re
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from signalpost.cli import main

HEADER = "time,open,high,low,close\n"
FIELDS = [
    *("key", "pair", "timeframe", "time", "known_at", "signal_type", "entry_price", "stop_loss", "take_profit"),
    *("risk_reward_ratio", "atr", "fast_ma", "slow_ma"),
]
SETTINGS = ("--pair", "EUR/USD", "--timeframe", "4h", "--fast", "1", "--slow", "2", "--atr-period", "2")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["replay", *map(str, arguments)])


def candles(path: Path, *closes: str) -> Path:
    rows = [
        f"2025-01-{6 + number // 6:02}T{number % 6 * 4:02}:00:00Z,{close},{close}9,{close},{close}\n"
        for number, close in enumerate(closes)
    ]
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Falls, then rises: one BUY, at the fourth candle."""
    return candles(tmp_path / "EUR_USD_H4.csv", "1.1040", "1.1030", "1.1020", "1.1050", "1.1060")


def test_json_has_a_line_for_each_signal_with_exact_prices(file: Path) -> None:
    result = run(file, *SETTINGS, "--json")
    assert result.exit_code == 0
    (line,) = map(json.loads, result.stdout.splitlines())
    assert list(line) == FIELDS
    assert line == {
        "key": "EUR_USD_H4",
        "pair": "EUR_USD",
        "timeframe": "H4",
        "time": "2025-01-06T12:00:00Z",
        "known_at": "2025-01-06T16:00:00Z",
        "signal_type": "BUY",
        "entry_price": "1.1050",
        "stop_loss": "1.10091",
        "take_profit": "1.111135",
        "risk_reward_ratio": "1.5",
        "atr": "0.002045",
        "fast_ma": "1.105",
        "slow_ma": "1.1035",
    }


def test_settings_change_the_signals(file: Path) -> None:
    wider = json.loads(run(file, *SETTINGS, "--json", "--sl-mult", "1", "--tp-mult", "4", "--key", "mine").stdout)
    assert (wider["key"], wider["stop_loss"], wider["risk_reward_ratio"]) == ("mine", "1.102955", "4")
    assert run(file, *SETTINGS, "--json", "--min-atr", "0.002045").stdout
    assert not run(file, *SETTINGS, "--json", "--min-atr", "0.0020451").stdout
    assert not run(file, *SETTINGS, "--json", "--min-rr", "1.51").stdout
    assert run(file, *SETTINGS, "--json", "--atr-period", "4").stdout
    assert not run(file, *SETTINGS, "--json", "--atr-period", "4", "--atr", "wilder").stdout, "warm a candle later"


def test_an_inverted_strategy_must_be_marked(file: Path) -> None:
    turned = [*SETTINGS[:4], "--fast", "2", "--slow", "1", "--atr-period", "2", "--json"]
    refused = run(file, *turned)
    assert refused.exit_code == 2
    (error,) = json.loads(refused.stdout)["errors"]
    assert (error["code"], error["field"], error["value"]) == ("conflict", "inverted", "False")
    assert json.loads(run(file, *turned, "--inverted").stdout)["signal_type"] == "SELL"


def test_a_small_price_is_written_without_an_exponent(tmp_path: Path) -> None:
    file = candles(tmp_path / "c.csv", "0.00000040", "0.00000030", "0.00000020", "0.00000050")
    line = json.loads(run(file, "--pair", "SHIB_BTC", *SETTINGS[2:], "--json", "--sl-mult", "0.1").stdout)
    assert line["entry_price"] == "0.00000050"
    assert "E" not in "".join(value for name, value in line.items() if name not in {"key", "pair", "signal_type"})


def test_the_table_shows_the_strategy_and_its_last_signals(file: Path) -> None:
    result = run(file, *SETTINGS)
    assert result.exit_code == 0
    rows = [" ".join(line.replace("│", " ").split()) for line in result.stdout.splitlines()]
    assert any(row.startswith("EUR_USD_H4 5 1 1 ") for row in rows)
    assert "2025-01-06 16:00 EUR_USD H4 BUY 1.10500 1.10091 1.11114 40.9 / 61.4 1.50" in rows


def test_a_cross_that_is_filtered_is_counted_with_its_reason(file: Path) -> None:
    result = run(file, *SETTINGS, "--min-atr", "1")
    assert "1 min atr" in result.stdout
    assert "2025-01-06 16:00" not in result.stdout


def test_a_file_of_strategies_is_replayed_over_its_folder_of_candles(tmp_path: Path, file: Path) -> None:
    strategies = tmp_path / "strategies.toml"
    table = (
        f'[[strategy]]\npair = "EURUSD"\ntimeframe = "H4"\nfast = 1\nslow = 2\natr_period = 2\ndata = "{file.name}"\n'
    )
    strategies.write_text(table + table + 'key = "second"\n', encoding="utf-8")
    lines = run("--strategies", strategies, "--data", tmp_path, "--json").stdout.splitlines()
    assert [json.loads(line)["key"] for line in lines] == ["EUR_USD_H4", "second"]
    shown = run("--strategies", strategies, "--data", tmp_path)
    assert shown.stdout.count("2025-01-06 16:00") == 2
    assert "2 of 2" in shown.stdout


def test_corrections_of_a_file_are_reported_on_stderr(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    noisy = lines[5].replace(",1.1060,", ",1.1060000000000001,", 1)
    file.write_text("".join([*lines[:3], lines[2], *lines[3:5], noisy]), encoding="utf-8")
    result = run(file, *SETTINGS, "--json")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)
    repeated, rounded = result.stderr.replace(str(file), "").splitlines()
    assert re.findall(r"\d+", repeated) == ["1"]
    assert re.findall(r"\d+", rounded) == ["5", "1"]
    assert result.stderr.count(str(file)) == 2


@pytest.mark.parametrize(("options", "exit_code"), [((), 0), (("--places", "6"), 0), (("--places", "5"), 2)])
def test_a_given_number_of_decimals_is_enforced_even_if_it_is_the_usual_one(
    tmp_path: Path, options: tuple[str, ...], exit_code: int
) -> None:
    path = candles(tmp_path / "c.csv", "1.10401", "1.10301", "1.10201", "1.10501", "1.10601")
    assert run(path, *SETTINGS, *options).exit_code == exit_code


def test_invalid_candles_are_reported_with_file_and_line(file: Path) -> None:
    file.write_text(file.read_text(encoding="utf-8") + "2025-01-06T20:00:00Z,1,1,1,0\n", encoding="utf-8")
    result = run(file, *SETTINGS)
    assert (result.exit_code, result.stdout) == (2, "")
    assert all(fact in result.stderr for fact in (str(file), "7", "close", "0"))
    result = run(file, *SETTINGS, "--json")
    assert result.exit_code == 2
    (error,) = json.loads(result.stdout)["errors"]
    assert (error["code"], error["field"], error["value"]) == ("out-of-range", "close", "0")


def test_one_unreadable_file_of_many_is_exit_code_2(tmp_path: Path, file: Path) -> None:
    strategies = tmp_path / "strategies.toml"
    table = '[[strategy]]\npair = "EURUSD"\ntimeframe = "H4"\nfast = 1\nslow = 2\natr_period = 2\n'
    strategies.write_text(f'{table}data = "{file.name}"\n{table}key = "k"\ndata = "none.csv"\n', encoding="utf-8")
    result = run("--strategies", strategies, "--data", tmp_path, "--json")
    assert result.exit_code == 2
    assert "none.csv" in result.stderr
    assert [each["code"] for each in json.loads(result.stdout)["errors"]] == ["not-readable"]


@pytest.mark.parametrize(
    ("arguments", "code", "facts"),
    [
        ((), "usage", ("FILE", "--strategies")),
        (("c.csv", "--pair", "EUR_USD"), "usage", ("--timeframe, --fast, --slow", "FILE")),
        (("c.csv", *SETTINGS, "--data", "."), "usage", ("--data", "--strategies")),
        (("c.csv", "--strategies", "s.toml", "--sl-mult", "2"), "usage", ("FILE, --sl-mult", "--strategies")),
        (("c.csv", *SETTINGS, "--atr", "hull"), "invalid-value", ("'hull'", "'simple', 'wilder'")),
        (("c.csv", *SETTINGS, "--sl-mult", "wide"), "not-a-number", ("sl_mult", "'wide'")),
        (("c.csv", *SETTINGS, "--places", "19"), "out-of-range", ("places", "19", "18")),
        (("c.csv", *SETTINGS[:2], "--timeframe", "1M", *SETTINGS[4:]), "no-fixed-length", ("timeframe", "'1M'")),
    ],
)
def test_bad_arguments_are_refused_before_any_file_is_read(
    arguments: tuple[str, ...], code: str, facts: tuple[str, ...]
) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert all(fact in result.stderr for fact in facts)
    assert [each["code"] for each in json.loads(run(*arguments, "--json").stdout)["errors"]] == [code]


def test_follow_adds_how_each_signal_ended(tmp_path: Path) -> None:
    """Filled at the open of the next candle; the one after it touches the target."""
    path = candles(tmp_path / "c.csv", "1.1040", "1.1030", "1.1020", "1.1050", "1.1060", "1.1120")
    (line,) = map(json.loads, run(path, *SETTINGS, "--follow", "--json").stdout.splitlines())
    assert list(line) == [*FIELDS, "state", "fill", "closed", "result", "flags"]
    assert line["fill"] == {"price": "1.106", "at": "2025-01-06T16:00:00Z", "slippage": "-10"}
    assert (line["state"], line["flags"]) == ("closed", ["mid-prices"])
    assert (line["closed"]["price"], line["closed"]["reason"]) == (line["take_profit"], "target")
    risk = Fraction(line["fill"]["price"]) - Fraction(line["stop_loss"])
    gain = Fraction(line["take_profit"]) - Fraction(line["fill"]["price"])
    assert abs(Fraction(line["result"]["r"]) - gain / risk) < Fraction(1, 10**18)


def test_follow_shows_the_results_of_each_strategy(file: Path) -> None:
    """The signal is open after the last candle."""
    row = r"EUR_USD_H4 +1 +0 +0 +0 +1 +0 +\+0\.00"
    assert re.search(row, run(file, *SETTINGS, "--follow").stdout)
    assert not re.search(row, run(file, *SETTINGS).stdout)

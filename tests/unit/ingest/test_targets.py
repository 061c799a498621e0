"""A signal has one target, one stop and one entry for now: further ones are refused by name, never dropped."""

from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from signalpost.cli import main
from tests.unit.ingest.entry_points import ENTRY_POINTS, PLAIN, by_mapping, by_tradingview

FURTHER: list[tuple[dict[str, Any], str]] = [
    ({"tp1": "1.17", "tp2": "1.18"}, "tp2"),
    ({"tp": "1.17", "tp3": "1.18"}, "tp3"),
    ({"target": "1.17", "target2": "1.18"}, "target2"),
    ({"target_1": "1.17", "target_2": "1.18"}, "target_2"),
    ({"take_profit": "1.17", "take_profit_2": "1.18"}, "take_profit_2"),
    ({"takeProfit1": "1.17", "takeProfit2": "1.18"}, "takeProfit2"),
    ({"TP 1": "1.17", "TP 2": "1.18"}, "TP 2"),
    ({"targets": ["1.17", "1.18"]}, "targets"),
    ({"take_profits": [1.17, 1.18]}, "take_profits"),
    ({"tp2": "1.18"}, "tp2"),
    ({"tp": "1.17", "tp2_price": "1.18"}, "tp2_price"),
    ({"sl": "1.15", "sl2": "1.14"}, "sl2"),
    ({"entry2": "1.155"}, "entry2"),
    ({"tp": "1.17", "tp10": "1.18"}, "tp10"),
]


@pytest.mark.line("6.5.5")
@pytest.mark.parametrize(("levels", "name"), FURTHER, ids=str)
def test_further_levels_are_refused_by_name(levels: dict[str, Any], name: str) -> None:
    for read in (by_mapping, by_tradingview):
        assert read({**PLAIN, **levels}).codes == {name: "too-many"}, read.__name__


@pytest.mark.parametrize(("levels", "name"), FURTHER, ids=str)
def test_further_levels_are_refused_at_every_entry_point(levels: dict[str, Any], name: str) -> None:
    for entry_point, read in ENTRY_POINTS.items():
        assert read({**PLAIN, **levels}).codes == {name: "too-many"}, entry_point


def test_all_further_levels_are_named() -> None:
    for entry_point, read in ENTRY_POINTS.items():
        codes = read({**PLAIN, "tp1": "1.17", "tp2": "1.18", "tp4": "1.19", "take_profit": [1.17, 1.2]}).codes
        assert set(codes) == {"tp2", "tp4", "take_profit"}, entry_point


def test_at_most_a_hundred_of_thousands_of_faults_are_named() -> None:
    many = {f"tp{number}{'_' * length}": number for number in range(2, 99) for length in range(9)}
    assert len(by_mapping({**PLAIN, **many}).codes) == 100


@pytest.mark.parametrize(
    "levels", [{"tp1": "1.17"}, {"tp": ["1.17"]}, {"targets": [1.17, None, 0]}, {"target_price": "1.17", "tp2": "0"}]
)
def test_one_level_in_any_form_is_accepted(levels: dict[str, Any]) -> None:
    for entry_point, read in ENTRY_POINTS.items():
        signal = read({**PLAIN, **levels}).signal
        assert signal is not None, entry_point
        assert signal.take_profit == Decimal("1.17")


@pytest.mark.parametrize("none", [0, "0", 0.0, "0.00", None, "", []])
def test_stops_and_targets_that_are_empty_or_zero_count_as_missing(none: object) -> None:
    for entry_point, read in ENTRY_POINTS.items():
        signal = read({**PLAIN, "sl": none, "tp": none}).signal
        assert signal is not None, entry_point
        assert (signal.stop_loss, signal.take_profit) == (None, None)


IN_OTHER_WORDS: list[tuple[dict[str, Any], str]] = [
    ({"exits": [{"tp": "1.17"}, {"tp": "1.18"}]}, "exits"),
    ({"orders": [{"tp": "1.17"}]}, "orders"),
    ({"orders": [[{"x": 1}, {"targets": ["1.17"]}]]}, "orders"),
    ({"first_target": "1.17", "second_target": "1.18"}, "second_target"),
    ({"targetA": "1.17", "targetB": "1.18"}, "targetB"),
    ({"tp": "1.17", "t2": "1.18"}, "t2"),
    ({"tp": "1.17", "final_target": "1.18"}, "final_target"),
    ({"tp": "1.17", "tp_b": "1.18"}, "tp_b"),
    ({"tp": "1.17", "tp_final": "1.18"}, "tp_final"),
    ({"tp": "1.17", "runner": "1.18"}, "runner"),
    ({"take_profit_targets": {"0": "1.17", "1": "1.18"}}, "take_profit_targets"),
]


@pytest.mark.line("6.5.5")
@pytest.mark.parametrize(("levels", "name"), IN_OTHER_WORDS, ids=str)
def test_other_spellings_of_several_targets_are_refused_by_name(levels: dict[str, Any], name: str) -> None:
    for read in (by_mapping, by_tradingview):
        assert name in read({**PLAIN, **levels}).codes, read.__name__


@pytest.mark.parametrize(("levels", "name"), IN_OTHER_WORDS, ids=str)
def test_other_spellings_of_several_targets_are_refused_at_every_entry_point(levels: dict[str, Any], name: str) -> None:
    for entry_point, read in ENTRY_POINTS.items():
        assert read({**PLAIN, **levels}).codes == {name: "too-many"}, entry_point


def test_short_names_of_targets_are_all_refused() -> None:
    for entry_point, read in ENTRY_POINTS.items():
        assert read({**PLAIN, "T1": "1.17", "T2": "1.18"}).codes == {"T1": "too-many", "T2": "too-many"}, entry_point


@pytest.mark.parametrize(
    "levels", [{"first_target": "1.17"}, {"targetA": 1.17}, {"tp": {"price": "1.17"}}, {"targets": {"tp1": 1.17}}]
)
def test_other_spellings_of_one_target_are_accepted(levels: dict[str, Any]) -> None:
    for entry_point, read in ENTRY_POINTS.items():
        signal = read({**PLAIN, **levels}).signal
        assert signal is not None, entry_point
        assert signal.take_profit == Decimal("1.17")


def test_a_target_of_percent_is_not_read_as_a_price() -> None:
    for entry_point, read in ENTRY_POINTS.items():
        assert set(read({**PLAIN, "tp": {"percent": 2}}).codes) == {"tp"}, entry_point


@pytest.mark.parametrize(
    "other",
    [
        *({"t1": "up"}, {"orders": [{"id": 7}]}, {"exits": ["1.17"]}, {"tags": [{"tp": "none"}]}),
        *({"tp_percent": 2}, {"use_target": True}, {"orders": [[[[[{"tp": 1.17}]]]]]}, {"context": {"target": 1.17}}),
    ],
    ids=str,
)
def test_other_names_and_lists_are_not_targets(other: dict[str, Any]) -> None:
    assert by_mapping({**PLAIN, **other}).codes == {}
    assert by_tradingview({**PLAIN, **other}).codes == {}


def test_errors_show_lists_without_python_types() -> None:
    from signalpost.domain.text import shown

    numbers = [Decimal("1.17"), Decimal("1.18")]
    assert shown(numbers) == "[1.17, 1.18]"
    assert shown({"a": numbers}) == "{'a': [1.17, 1.18]}"
    assert shown((Decimal(1), "x", {"a": [[[[1]]]]})) == "[1, 'x', {'a': [[[...]]]}]", "deeper lists are cut"


@pytest.mark.line("6.5.5")
@pytest.mark.parametrize("option", ["--target", "--stop", "--entry", "--pair", "--side", "--time", "--id"])
def test_an_option_that_is_given_twice_is_refused_by_the_command_line(option: str) -> None:
    usual = ("--pair", "EURUSD", "--timeframe", "H1", "--side", "buy", "--entry", "1.16")
    values = {"--pair": "GBPUSD", "--side": "sell", "--time": "2099-01-01T00:00:00Z", "--id": "x"}
    value = values.get(option, "1.17")
    result = CliRunner().invoke(main, ["publish", "signal", *usual, option, value, option, value, "--no-wait"])
    assert result.exit_code == 2
    assert option in result.output

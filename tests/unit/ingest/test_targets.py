"""A signal has up to ten targets, in any usual spelling. One that is not clear is refused by name, never dropped."""

import json
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from signalpost import Signal
from signalpost.cli import main
from tests.unit.ingest.entry_points import ENTRY_POINTS, PLAIN, by_mapping, by_tradingview

Levels = list[tuple[str, str | None]]
HALVES: Levels = [("1.17", "50"), ("1.18", "50")]
BOTH: Levels = [("1.17", None), ("1.18", None)]

SEVERAL: list[tuple[dict[str, Any], Levels]] = [
    ({"tp1": "1.17", "tp2": "1.18"}, BOTH),
    ({"tp2": "1.18", "tp1": "1.17"}, BOTH),
    ({"tp": "1.17", "tp3": "1.18"}, BOTH),
    ({"target": "1.17", "target2": "1.18"}, BOTH),
    ({"target_1": "1.17", "target_2": "1.18"}, BOTH),
    ({"take_profit": "1.17", "take_profit_2": "1.18"}, BOTH),
    ({"takeProfit1": "1.17", "takeProfit2": "1.18"}, BOTH),
    ({"TP 1": "1.17", "TP 2": "1.18"}, BOTH),
    ({"targets": ["1.17", "1.18"]}, BOTH),
    ({"take_profits": [1.17, 1.18]}, BOTH),
    ({"targets": ["1.17", 0, None, "1.18", ""]}, BOTH),
    ({"tp": "1.17", "tp2_price": "1.18"}, BOTH),
    ({"tp": "1.17", "tp10": "1.18"}, BOTH),
    ({"take_profit": "1.17", "targets": ["1.170", "1.18"]}, BOTH),
    ({"first_target": "1.17", "second_target": "1.18"}, BOTH),
    ({"targetA": "1.17", "targetB": "1.18"}, BOTH),
    ({"T1": "1.17", "T2": "1.18"}, BOTH),
    ({"tp": "1.17", "t2": "1.18"}, BOTH),
    ({"tp": "1.17", "final_target": "1.18"}, BOTH),
    ({"tp": "1.17", "tp_b": "1.18"}, BOTH),
    ({"tp": "1.17", "tp_final": "1.18"}, BOTH),
    ({"tp": "1.17", "runner": "1.18"}, BOTH),
    ({"take_profit_targets": {"0": "1.17", "1": "1.18"}}, BOTH),
    ({"take_profit_targets": {"1": "1.17", "2": "1.18"}}, BOTH),
    ({"targets": {"tp2": "1.18", "tp1": "1.17"}}, BOTH),
    ({"targets": [{"tp1": "1.17"}, {"tp2": "1.18"}]}, BOTH),
    ({"targets": [{"price": "1.17", "name": "a"}, {"level": "1.18", "number": 2}]}, BOTH),
    ({"tp1": "1.17", "tp1_share": "50", "tp2": "1.18", "tp2_size": "50%"}, HALVES),
    ({"targets": [["1.17", 50], ["1.18", "50"]]}, HALVES),
    ({"targets": [{"price": "1.17", "share": 50}, {"price": 1.18, "percent": "50 %"}]}, HALVES),
    ({"targets": [{"price": "1.17", "size": 50}, {"tp": 1.18, "size": 50}]}, HALVES),
    ({"tp1": {"price": "1.17", "share": "50"}, "tp2": {"price": "1.18", "share": "50"}}, HALVES),
    ({"targets": {"tp1": {"price": "1.17", "share": "50"}, "tp2": {"price": "1.18", "share": "50"}}}, HALVES),
    ({"tp": "1.17", "tp1_size": "25"}, [("1.17", "25")]),
    ({"tp2": "1.18"}, [("1.18", None)]),
    ({"tp": "1.17", "tp1_size": 0}, [("1.17", None)]),
    ({"tp1": "1.17", "tp2": "0", "tp2_size": "50"}, []),
]


def levels_of(signal: Signal | None) -> Levels:
    assert signal is not None
    plain = ((each.price.normalize(), each.share) for each in signal.targets)
    return [(str(price), None if share is None else f"{share:f}") for price, share in plain]


@pytest.mark.parametrize(("fields", "levels"), SEVERAL, ids=lambda value: str(value)[:60])
def test_several_targets_are_read_at_every_entry_point(fields: dict[str, Any], levels: Levels) -> None:
    for entry_point, read in ENTRY_POINTS.items():
        seen = read({**PLAIN, **fields})
        if levels:
            assert levels_of(seen.signal) == levels, (entry_point, seen)
            assert seen.signal is not None
            assert str(seen.signal.take_profit.normalize()) == levels[0][0]  # type: ignore[union-attr]
        else:
            assert seen.codes == {"tp2_size": "missing"}, entry_point


NOT_CLEAR: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"sl": "1.15", "sl2": "1.14"}, {"sl2": "too-many"}),
    ({"entry2": "1.155"}, {"entry2": "too-many"}),
    ({"sl": ["1.15", "1.14"]}, {"sl": "too-many"}),
    ({"sl": {"price": "1.15", "trail": 5}}, {"sl": "too-many"}),
    ({"sl": {"pips": "20"}}, {"sl": "not-a-number"}),
    ({f"tp{number}": 1 + number for number in range(1, 12)}, {"tp11": "too-many"}),
    ({"targets": list(range(2, 5000))}, {"targets": "too-many"}),
    ({"exits": [{"tp": "1.17"}, {"tp": "1.18"}]}, {"exits": "not-readable"}),
    ({"orders": [{"tp": "1.17"}]}, {"orders": "not-readable"}),
    ({"orders": [[{"x": 1}, {"targets": ["1.17"]}]]}, {"orders": "not-readable"}),
    ({"tp": "1.17", "extra_target": "1.18"}, {"extra_target": "not-readable"}),
    ({"tp": "1.17", "first_target_two": "1.18"}, {"first_target_two": "not-readable"}),
    ({"tp0": "1.18"}, {"tp0": "not-readable"}),
    ({"tp2": ["1.17", "1.18"]}, {"tp2": "not-readable"}),
    ({"tp": [["1.17", "50", "1"]]}, {"tp": "not-readable"}),
    ({"tp": [["1.17", ["50"]]]}, {"tp": "not-a-number"}),
    ({"tp": [[["1.17", "50"], "1"]]}, {"tp": "not-readable"}),
    ({"tp": {"price": {"price": "1.17"}}}, {"tp": "not-readable"}),
    ({"tp": {"percent": 2}}, {"tp": "not-readable"}),
    ({"tp": {"price": "1.17", "trail": 5}}, {"tp": "not-readable"}),
    ({"tp": {"price": "1.17", "level": "1.18"}}, {"tp": "not-readable"}),
    ({"tp": {"price": "1.17", "share": 50, "size": 50}}, {"tp": "not-readable"}),
    ({"targets": [{"price": "1.17", "share": 50}, {"share": 50}]}, {"targets": "not-readable"}),
    ({"tp2_share": 50}, {"tp2_share": "missing"}),
    ({"tp1": "1.17", "target": "1.18"}, {"target": "conflict"}),
    ({"tp1": "1.17", "targets": ["1.18", "1.19"]}, {"targets": "conflict"}),
    ({"tp1": "1.17", "tp1_size": "50", "tp1_share": "60"}, {"tp1_share": "conflict"}),
    ({"tp1": "1.17", "tp2": "soon"}, {"tp2": "not-a-number"}),
    ({"tp1": "up", "tp": "down"}, {"tp": "conflict"}),
    ({"tp1": "1.17", "tp1_size": "half"}, {"tp1_size": "not-a-number"}),
    ({"tp1": "1.17", "tp1_size": "101"}, {"tp1_size": "out-of-range"}),
    ({"tp1": "1.17", "tp2": "{{plot_2}}"}, {"tp2": "placeholder"}),
    ({"tp1": "1.18", "tp2": "1.17"}, {"tp1, tp2": "wrong-order"}),
    ({"targets": ["1.18", "1.17"]}, {"targets": "wrong-order"}),
    ({"tp1": "1.15", "tp2": "1.18"}, {"tp1": "wrong-side"}),
    ({"tp1": "1.17", "tp1_size": "60", "tp2": "1.18", "tp2_size": "60"}, {"tp1, tp2": "out-of-range"}),
    ({"tp1": "1.17", "tp1_size": "60", "tp2": "1.18"}, {"tp1, tp2": "missing"}),
]


@pytest.mark.parametrize(("fields", "codes"), NOT_CLEAR, ids=lambda value: str(value)[:60])
def test_levels_that_are_not_clear_are_refused_by_name(fields: dict[str, Any], codes: dict[str, str]) -> None:
    for entry_point, read in ENTRY_POINTS.items():
        assert read({**PLAIN, **fields}).codes == codes, entry_point


def test_all_unclear_targets_are_named_together() -> None:
    for entry_point, read in ENTRY_POINTS.items():
        codes = read({**PLAIN, "tp": "x", "tp2": "y", "tp4": "1.19", "targets": [1.17, "y"], "sl": "up"}).codes
        assert set(codes) == {"targets", "tp", "tp2", "sl"}, entry_point


def test_at_most_a_hundred_of_thousands_of_faults_are_named() -> None:
    many = {f"next{'_' * before}tp{'.' * after}": "1.18" for before in range(20) for after in range(20)}
    assert len(by_mapping({**PLAIN, **many}).codes) == 100


def test_an_object_with_a_short_name_of_a_target_is_refused() -> None:
    assert by_mapping({**PLAIN, "exits": {"T2": "1.17"}}).codes == {"exits": "not-readable"}


def test_without_a_side_the_order_of_targets_is_not_checked() -> None:
    without = {name: value for name, value in PLAIN.items() if name != "side"}
    for entry_point in (by_mapping, ENTRY_POINTS["http"]):
        assert entry_point({**without, "tp1": "1.15", "tp2": "1.14"}).codes == {"signal_type": "missing"}
        codes = entry_point({**without, "tp1": "1.15", "tp2": "x"}).codes
        assert codes == {"signal_type": "missing", "tp2": "not-a-number"}


def test_numbers_in_an_object_can_be_integers() -> None:
    assert levels_of(Signal.from_mapping({**PLAIN, "targets": {0: "1.17", 1: "1.18"}})) == BOTH


def test_a_signal_with_targets_is_read_from_its_own_json() -> None:
    made = Signal.from_mapping({**PLAIN, "targets": [["1.17", 60], ["1.18", 30]]})
    for entry_point in ("mapping", "http", "cli"):
        seen = ENTRY_POINTS[entry_point](json.loads(made.to_json()))
        assert seen.signal is not None, entry_point
        assert (seen.signal.targets, seen.signal.take_profit) == (made.targets, made.take_profit), entry_point


ENTRIES: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"entry_low": "1.155", "entry_high": "1.165"}, {}),
    ({"entry_min": "1.155", "entry_max": "1.165"}, {}),
    ({"entry_zone": ["1.165", 1.155]}, {}),
    ({"entry_zone": {"low": "1.155", "high": "1.165"}}, {}),
    ({"entry_zone": ["1.155", "1.165"], "entry_low": 1.155, "entry_high": "1.1650"}, {}),
    ({"entry_low": "1.155"}, {"entry_high": "missing"}),
    ({"entry_high": "1.165"}, {"entry_low": "missing"}),
    (
        {"entry_zone": ["1.155", "1.165"], "entry_low": "1.15", "entry_high": "1.165"},
        {"entry_low, entry_high": "conflict"},
    ),
    ({"entry_zone": "1.155"}, {"entry_zone": "not-readable"}),
    ({"entry_low": "1.155", "entry_high": "x"}, {"entry_low, entry_high": "not-a-number"}),
    ({"entry_low": "1.165", "entry_high": "1.175"}, {"entry_low, entry_high": "out-of-range"}),
]


@pytest.mark.parametrize(("fields", "codes"), ENTRIES, ids=lambda value: str(value)[:60])
def test_an_entry_zone_is_read_at_every_entry_point(fields: dict[str, Any], codes: dict[str, str]) -> None:
    for entry_point, read in ENTRY_POINTS.items():
        seen = read({**PLAIN, **fields})
        assert seen.codes == codes, entry_point
        if seen.signal is not None:
            zone = seen.signal.entry_zone
            assert zone is not None
            assert (zone.low, zone.high) == (Decimal("1.155"), Decimal("1.165"))


def test_an_unset_end_of_a_zone_counts_as_missing() -> None:
    assert by_mapping({**PLAIN, "entry_low": 0, "entry_high": ""}).codes == {}


@pytest.mark.parametrize("order", ["limit", "LIMIT", " Limit "])
def test_order_and_leverage_are_read_at_every_entry_point(order: str) -> None:
    for entry_point, read in ENTRY_POINTS.items():
        signal = read({**PLAIN, "order_type": order, "leverage": "5x", "risk_percent": "1%"}).signal
        assert signal is not None, entry_point
        assert (signal.order, signal.status, signal.leverage, signal.risk_percent) == ("LIMIT", "PENDING", 5, 1)
        codes = read({**PLAIN, "order": "ask", "leverage": "0x", "risk_pct": 101}).codes
        assert codes == {"order": "unknown-word", "leverage": "out-of-range", "risk_pct": "out-of-range"}, entry_point


@pytest.mark.parametrize(
    "levels", [{"tp1": "1.17"}, {"tp": ["1.17"]}, {"targets": [1.17, None, 0]}, {"target_price": "1.17", "tp2": "0"}]
)
def test_one_level_in_any_form_is_accepted(levels: dict[str, Any]) -> None:
    for entry_point, read in ENTRY_POINTS.items():
        signal = read({**PLAIN, **levels}).signal
        assert signal is not None, entry_point
        assert signal.take_profit == Decimal("1.17")


@pytest.mark.parametrize("stop", [["1.15"], {"price": "1.15"}, {"0": "1.15"}, {"sl": "1.15", "note": "x"}], ids=str)
def test_one_stop_in_any_form_is_accepted(stop: object) -> None:
    for entry_point, read in ENTRY_POINTS.items():
        signal = read({**PLAIN, "sl": stop}).signal
        assert signal is not None, entry_point
        assert signal.stop_loss == Decimal("1.15")


@pytest.mark.parametrize("none", [0, "0", 0.0, "0.00", None, "", []])
def test_stops_and_targets_that_are_empty_or_zero_count_as_missing(none: object) -> None:
    for entry_point, read in ENTRY_POINTS.items():
        signal = read({**PLAIN, "sl": none, "tp": none}).signal
        assert signal is not None, entry_point
        assert (signal.stop_loss, signal.take_profit) == (None, None)


@pytest.mark.parametrize(
    "levels", [{"first_target": "1.17"}, {"targetA": 1.17}, {"tp": {"price": "1.17"}}, {"targets": {"tp1": 1.17}}]
)
def test_other_spellings_of_one_target_are_accepted(levels: dict[str, Any]) -> None:
    for entry_point, read in ENTRY_POINTS.items():
        signal = read({**PLAIN, **levels}).signal
        assert signal is not None, entry_point
        assert signal.take_profit == Decimal("1.17")


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
    from signalpost.errors import shown

    numbers = [Decimal("1.17"), Decimal("1.18")]
    assert shown(numbers) == "[1.17, 1.18]"
    assert shown({"a": numbers}) == "{'a': [1.17, 1.18]}"
    assert shown((Decimal(1), "x", {"a": [[[[1]]]]})) == "[1, 'x', {'a': [[[...]]]}]", "deeper lists are cut"


@pytest.mark.parametrize("option", ["--stop", "--entry", "--pair", "--side", "--time", "--id"])
def test_an_option_that_is_given_twice_is_refused_by_the_command_line(option: str) -> None:
    usual = ("--pair", "EURUSD", "--timeframe", "H1", "--side", "buy", "--entry", "1.16")
    values = {"--pair": "GBPUSD", "--side": "sell", "--time": "2099-01-01T00:00:00Z", "--id": "x"}
    value = values.get(option, "1.17")
    result = CliRunner().invoke(main, ["publish", "signal", *usual, option, value, option, value, "--no-wait"])
    assert result.exit_code == 2
    assert option in result.output

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from signalpost import InvalidValue, Signal, SignalType
from signalpost.domain.spellings import REQUIRED, SIGNAL, SPELLINGS, read_fields
from signalpost.errors import shown
from tests.surface.errors import Facts, facts_of

PLAIN = {
    "pair": "EUR_USD",
    "timeframe": "H4",
    "signal_type": "BUY",
    "entry_price": "1.1",
    "timestamp": "2025-08-20T01:00Z",
}


def test_a_stored_record_of_the_moving_average_kind_is_read() -> None:
    record = {
        "time": pd.Timestamp("2025-08-20T01:00:00", tz="UTC"),
        "instrument": "EUR/USD",
        "timeframe": "H4",
        "close": np.float64(1.1634),
        "slow_ma": 1.16,
        "fast_ma": 1.1601,
        "signal": np.int64(-1),
        "stop_loss": 1.165,
        "take_profit": 1.161,
        "sl_pips": 16,
        "atr": 0.0008,
        "risk_reward_ratio": None,
        "created_at": "2025-08-20T05:00:00Z",
    }
    signal = Signal.from_mapping(record)
    assert signal.signal_id == "signal:EUR_USD:H4:SELL:20250820T010000Z"
    assert (signal.entry_price, signal.atr_value, signal.risk_reward_ratio) == tuple(
        map(Decimal, ("1.1634", "0.0008", "1.5"))
    )


def test_a_webhooks_record_is_read() -> None:
    record = {
        "Ticker": "USDJPY",
        "Interval": "240",
        "ACTION": " buy ",
        "Price": "147.5",
        "time": "2025-08-20T01:00:00Z",
        "SL": "147",
        "TP1": "149",
        "Comment": "go",
        "Id": "abc",
        7: "no name",
    }
    signal = Signal.from_mapping(record)  # type: ignore[arg-type]
    assert (signal.pair, signal.timeframe, signal.signal_type) == ("USD_JPY", "H4", SignalType.BUY)
    assert (signal.stop_loss, signal.take_profit, signal.notes, signal.signal_id) == (147, 149, "go", "abc")


@pytest.mark.parametrize(
    ("field", "spelling"), [(field, spelling) for field, known in SPELLINGS.items() for spelling in known]
)
def test_each_spelling_of_each_field_is_read_in_any_case(field: str, spelling: str) -> None:
    given = {name: value for name, value in PLAIN.items() if name != field} | {f" {spelling.title()}": "1"}
    read = read_fields(given.items(), SIGNAL)
    field = "take_profit" if field == "targets" else field  # a single target
    assert (read.fields[field], read.called[field], read.faults) == ("1", f" {spelling.title()}", ())


def test_every_field_of_a_signal_has_names_and_its_own_comes_first() -> None:
    assert set(SPELLINGS) == set(Signal.__struct_fields__)
    assert all(known[0] == field for field, known in SPELLINGS.items())
    assert {*REQUIRED, "timeframe"} == set(PLAIN)
    several = {**PLAIN, "side": "buy", "signal": 1, "close": 9, "price": "1.10"}
    assert read_fields(several.items(), SIGNAL) == (PLAIN, {name: name for name in PLAIN}, (), ())


def test_none_and_empty_text_count_as_absent() -> None:
    signal = Signal.from_mapping(
        {**PLAIN, "stop_loss": None, "sl": "1.05", "signal_id": "", "notes": "  ", "pair": "", "symbol": "GBPUSD"}
    )
    assert (signal.stop_loss, signal.notes, signal.pair) == (Decimal("1.05"), None, "GBP_USD")


def test_a_nan_from_pandas_is_refused_rather_than_ignored() -> None:
    with pytest.raises(InvalidValue) as refusal:
        Signal.from_mapping({**PLAIN, "sl": np.nan})
    assert facts_of(refusal.value) == [Facts("not-a-number", "sl", "NaN")]


def test_levels_on_the_wrong_side_are_reported_under_the_senders_names_alone() -> None:
    with pytest.raises(InvalidValue) as refusal:
        Signal.from_mapping({**PLAIN, "side": "buy", "signal_type": "buy", "sl": 9, "tp": "0.5"})
    assert [(each.code, each.field) for each in refusal.value.errors] == [("wrong-side", "sl"), ("wrong-side", "tp")]
    texts = [each.text for each in refusal.value.errors]
    assert not any(name in text for name in ("stop_loss", "take_profit", "entry_price") for text in texts)


def test_every_missing_field_is_reported_with_its_names() -> None:
    with pytest.raises(InvalidValue) as refusal:
        Signal.from_mapping({"price": 1, "time": "2025-08-20T01:00Z"})
    assert [(fault.code, fault.field) for fault in refusal.value.errors] == [
        ("missing", "pair"),
        ("missing", "signal_type"),
    ]
    for spelling in ("instrument", "symbol", "ticker"):
        assert spelling in refusal.value.errors[0].text


def test_a_row_of_a_data_frame_is_a_mapping() -> None:
    row = pd.DataFrame([PLAIN]).iloc[0]
    assert Signal.from_mapping(row) == Signal(**PLAIN)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [None, 5, [PLAIN], "{}"], ids=lambda given: type(given).__name__)
def test_anything_but_a_mapping_is_refused(given: object) -> None:
    with pytest.raises(InvalidValue) as refusal:
        Signal.from_mapping(given)  # type: ignore[arg-type]
    ((code, _, value, _),) = facts_of(refusal.value)
    assert (code, value) == ("not-a-mapping", shown(given))

"""The fields of a change, under the names of options, and all faults at once."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost import InvalidValue
from signalpost.domain.change import CancelOrder, Change, Close, Fill, Update
from signalpost.ingest.changes import VERBS, ReadChange, read_change

AT = "2026-11-27T14:00:00Z"


@pytest.mark.parametrize(
    ("verb", "data", "change"),
    [
        ("update", {"stop": "be", "target_hit": 1}, Update(stop_at_entry=True, target_hit=1)),
        ("update", {"target_hit": "2"}, Update(target_hit=2)),
        ("update", {"stop_loss": 1.1, "note": "n"}, Update(stop_loss="1.1", note="n")),
        ("update", {"close": "50%", "price": "1.2"}, Update(close_part=50, price="1.2")),
        ("update", {"Close Part": 50, "price": 1.2, "time": AT}, Update(close_part=50, price="1.2", at=AT)),
        ("update", {"target": 1.2}, Update(take_profit="1.2")),
        ("update", {"tp1": 1.2, "tp2": 1.3, "note": None}, Update(targets=["1.2", "1.3"])),
        ("update", {"targets": [[1.2, 50], [1.3, 25]]}, Update(targets=[("1.2", 50), ("1.3", 25)])),
        ("fill", {"price": 1.1, "at": AT}, Fill(price="1.1", at=AT)),
        ("close", {"price": 1.1, "reason": "reversed"}, Close(price="1.1", reason="reversed")),
        ("close", {"reason": "stop"}, Close(reason="stop")),
        ("cancel", {"reason": "news"}, CancelOrder(reason="news")),
        ("cancel", {}, CancelOrder()),
    ],
)
def test_a_change_is_read_from_its_fields(verb: str, data: dict[str, Any], change: Change) -> None:
    assert read_change(verb, data) == ReadChange(change, None)
    assert read_change(verb, data | {"if_version": 3}) == ReadChange(change, 3)


@pytest.mark.parametrize(
    ("verb", "data", "faults"),
    [
        ("update", {}, {("missing", "stop")}),
        ("update", {"stop": 0}, {("out-of-range", "stop")}),
        ("update", {"sl": "0.0", "note": "n"}, {("out-of-range", "sl")}),
        ("update", {"target": 0, "price": "1"}, {("out-of-range", "target")}),
        ("update", {"price": "1"}, {("missing", "close")}),
        ("update", {"close_part": 0, "price": "1"}, {("out-of-range", "close_part")}),
        ("update", {"target_hit": "x"}, {("out-of-range", "target_hit")}),
        ("update", {"target_hit": "0"}, {("out-of-range", "target_hit")}),
        ("update", {"close": 50}, {("missing", "price")}),
        ("update", {"close": 50, "price": "x"}, {("not-a-number", "price")}),
        ("update", {"stop": 1, "sl": 2}, {("conflict", "sl")}),
        ("update", {"stop": "{{sl}}", "note": 1}, {("placeholder", "stop"), ("not-text", "note")}),
        (
            "update",
            {"close": "x", "at": "never", "if_version": "1", "bogus": 1},
            {
                ("not-a-number", "close"),
                ("invalid-time", "at"),
                ("out-of-range", "if_version"),
                ("unknown-field", "bogus"),
            },
        ),
        ("fill", {}, {("missing", "price")}),
        ("fill", {"time": "never"}, {("missing", "price"), ("invalid-time", "time")}),
        ("close", {"reason": "luck"}, {("unknown-word", "reason")}),
        ("close", {"reason": "time", "price": 1}, {("missing", "reason")}),
        ("cancel", {"price": 1, "if_version": -1}, {("unknown-field", "price"), ("out-of-range", "if_version")}),
    ],
)
def test_all_faults_are_reported_under_the_names_that_were_sent(
    verb: str, data: dict[str, Any], faults: set[tuple[str, str]]
) -> None:
    with pytest.raises(InvalidValue) as raised:
        read_change(verb, data)
    assert {(fault.code, fault.field) for fault in raised.value.errors} == faults


def test_what_is_missing_is_called_by_the_names_that_programs_send() -> None:
    with pytest.raises(InvalidValue) as raised:
        read_change("update", {})
    (fault,) = raised.value.errors
    assert fault.text.endswith("at least one of stop, target, targets, target_hit, close, note")


def test_thousands_of_unknown_names_are_not_all_reported() -> None:
    with pytest.raises(InvalidValue) as raised:
        read_change("cancel", {f"x{number}": 1 for number in range(1000)})
    assert len(raised.value.errors) == 100


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)
NAMES = st.sampled_from(
    sorted({name for verb in VERBS.values() for each in verb.names.spellings.values() for name in each})
)


@given(st.sampled_from(sorted(VERBS)), st.dictionaries(NAMES | st.text(), JSON))
def test_whatever_is_sent_is_a_change_or_has_faults(verb: str, data: dict[str, Any]) -> None:
    with suppress(InvalidValue):
        assert isinstance(read_change(verb, data).change, VERBS[verb].build)  # type: ignore[arg-type]

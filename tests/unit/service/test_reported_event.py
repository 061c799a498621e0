"""The change that an event of `queue_notification` stands for."""

from typing import Any

import pytest

from signalpost import Signal
from signalpost.domain.change import CancelOrder, Change, Close, ExpireOrder, Fill, Update
from signalpost.service.service import change_of
from tests.unit.domain.trades import LONG, trade

HIT = Update(target_hit=1, stop_loss="be")


def signal(**changes: Any) -> Signal:
    return Signal(**LONG).at_price("1.1020").but(**changes)


@pytest.mark.parametrize(
    ("event", "change"),
    [
        ("filled", Fill(price="1.1020")),
        ("closed", Close(price="1.1020")),
        ("cancelled", CancelOrder()),
        ("expired", ExpireOrder()),
        ("update 1", Update(note="Price 1.10200")),
        ("seen", None),
    ],
)
def test_an_event_is_a_change_or_only_a_message(event: str, change: Change | None) -> None:
    assert change_of(event, signal(), trade()) == change


@pytest.mark.parametrize(
    ("sent", "changes", "wanted"),
    [
        ({"stop_loss": "1.0990"}, (), {"stop_loss": "1.0990"}),
        ({"stop_loss": None}, (), {"note": "Price 1.10200"}),
        ({"notes": "calm"}, (), {"note": "calm"}),
        ({"notes": "calm"}, (Update(note="calm"),), {"note": "Price 1.10200"}),
        ({"targets": ["1.1060", "1.1100"]}, (), {"targets": ["1.1060", "1.1100"]}),
        ({"targets": ["1.1050", "1.1100", "1.1200"]}, (HIT,), {"targets": ["1.1100", "1.1200"], "stop_loss": "1.0950"}),
        ({"targets": ["1.1050"], "stop_loss": "1.1000"}, (HIT,), {"note": "Price 1.10200"}),
    ],
)
def test_an_update_has_what_differs_from_the_trade(
    sent: dict[str, Any], changes: tuple[Change, ...], wanted: dict[str, Any]
) -> None:
    assert change_of("update 2", signal(**sent), trade(*changes)) == Update(**wanted)

"""The changes that a refusal offers are those that the rules permit."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from signalpost.domain.change import CancelOrder, Change, Close, Correct, Fill, Reopen, Update
from signalpost.domain.life import after
from signalpost.domain.possible import possible_changes
from signalpost.domain.trade import Trade
from signalpost.errors import NotPossible
from tests.unit.domain.trades import LIMIT, SECOND, START, trade

EXAMPLES: dict[str, Change] = {
    "fill": Fill(price="1.1001"),
    "update": Update(take_profit="1.1051"),
    "close": Close(price="1.1010"),
    "cancel": CancelOrder(),
    "correct": Correct(entry_price="1.1003"),
    "reopen": Reopen(),
    "a note": Update(note="on"),
}
PART = Update(close_part=50, price="1.1020")
SOON = LIMIT | {"good_until": START + timedelta(hours=1)}
TOO_LATE = START + timedelta(hours=2)


def permitted(made: Trade, now: datetime) -> list[str]:
    """The verbs that the rules permit."""
    found = []
    for verb, change in EXAMPLES.items():
        try:
            is_changed = after(made, change, now) is not made
        except NotPossible:
            continue
        if is_changed:
            found.append(verb)
    return [verb for verb in found if verb != "a note" or "update" not in found]


@pytest.mark.parametrize(
    ("made", "now", "possible"),
    [
        (trade(), SECOND, "fill, update, close, correct"),
        (trade(Fill(price="1.1002")), SECOND, "update, close, correct"),
        (trade(Update(stop_loss="be"), PART), SECOND, "update, close"),
        (trade(Correct(stop_loss="1.0940")), SECOND, "fill, update, close, correct"),
        (trade(**LIMIT), SECOND, "fill, update, cancel, correct"),
        (trade(Fill(price="1.1002"), **LIMIT), SECOND, "update, close"),
        (trade(**SOON), TOO_LATE, "cancel, a note"),
        (trade(Close(price="1.1010")), SECOND, "reopen, a note"),
        (trade(Close(price="1.1010"), Reopen()), SECOND, "fill, update, close"),
        (trade(CancelOrder(), **SOON), SECOND, "reopen, a note"),
        (trade(CancelOrder(), **SOON), TOO_LATE, "a note"),
    ],
)
def test_only_changes_that_the_rules_permit_are_possible(made: Trade, now: datetime, possible: str) -> None:
    assert ", ".join(possible_changes(made, now)) == possible
    assert permitted(made, now) == possible.split(", ")


@pytest.mark.parametrize(
    ("changes", "possible"), [((), ("fill", "update", "close")), ((Close(price="1.1010"),), ("a note",))]
)
def test_a_caller_is_offered_only_the_verbs_that_it_has(changes: tuple[Any, ...], possible: tuple[str, ...]) -> None:
    assert possible_changes(trade(*changes), SECOND, ("update", "fill", "close", "cancel")) == possible

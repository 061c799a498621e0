"""Each verb makes the change that its name says, checks its arguments at the call, and is written down once."""

import inspect
from typing import Any

import pytest

from signalpost import InvalidValue, Signal
from signalpost.domain.change import CancelOrder, Change, Close, CloseReason, Correct, Fill, Reopen, Update
from signalpost.service.signal_verbs import SignalChange, SignalVerbs
from tests.unit.domain.trades import LONG

AT = "2026-11-27T14:00:00Z"


class Noted(SignalVerbs[SignalChange]):
    """Returns each change."""

    def _open(self, *_: Any, **__: Any) -> SignalChange:
        raise AssertionError

    def _change(self, wanted: SignalChange) -> SignalChange:
        return wanted


@pytest.mark.parametrize(
    ("verb", "arguments", "change"),
    [
        ("update_signal", {"stop_loss": "1.1"}, Update(stop_loss="1.1")),
        ("update_signal", {"stop_loss": "be", "note": "n"}, Update(stop_at_entry=True, note="n")),
        ("update_signal", {"take_profit": 1.2, "at": AT}, Update(take_profit="1.2", at=AT)),
        ("update_signal", {"targets": [1.2, 1.3]}, Update(targets=["1.2", "1.3"])),
        (
            "update_signal",
            {"target_hit": 2, "close_part": "50%", "price": 1.2},
            Update(target_hit=2, close_part=50, price="1.2"),
        ),
        ("fill_signal", {"price": 1.1, "at": AT}, Fill(price="1.1", at=AT)),
        ("close_signal", {"price": 1.1, "at": AT}, Close(price="1.1", at=AT)),
        ("close_signal", {"reason": "stop"}, Close(reason=CloseReason.STOP)),
        ("cancel_signal", {}, CancelOrder()),
        ("cancel_signal", {"reason": "news", "at": AT}, CancelOrder(reason="news", at=AT)),
        (
            "correct_signal",
            {"entry_price": 1, "stop_loss": 2, "targets": [3]},
            Correct(entry_price=1, stop_loss=2, targets=[3]),
        ),
        ("reopen_signal", {}, Reopen()),
    ],
)
def test_a_verb_makes_its_change(verb: str, arguments: dict[str, Any], change: Change) -> None:
    method = getattr(Noted(), verb)
    assert method("#7", **arguments) == SignalChange("#7", change, None)
    signal = Signal(**LONG, signal_id="mine")
    assert method(signal, if_version=3, **arguments) == SignalChange("mine", change, 3)


@pytest.mark.parametrize(
    ("verb", "name", "arguments", "code", "field"),
    [
        ("update_signal", "id", {}, "missing", "stop_loss"),
        ("update_signal", "id", {"close_part": 50}, "missing", "price"),
        ("update_signal", "id", {"target_hit": 0}, "out-of-range", "target_hit"),
        ("fill_signal", "id", {"price": "x"}, "not-a-number", "price"),
        ("close_signal", "id", {"reason": "luck"}, "unknown-word", "reason"),
        ("correct_signal", "id", {}, "missing", "stop_loss"),
        ("reopen_signal", "id", {"if_version": -1}, "out-of-range", "if_version"),
        ("reopen_signal", "id", {"if_version": "1"}, "out-of-range", "if_version"),
        ("reopen_signal", " ", {}, "missing", "id_or_signal"),
        ("reopen_signal", 1042, {}, "not-text", "id_or_signal"),
    ],
)
def test_an_invalid_argument_is_an_error_at_the_call(
    verb: str, name: Any, arguments: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(InvalidValue) as raised:
        getattr(Noted(), verb)(name, **arguments)
    assert [(fault.code, fault.field) for fault in raised.value.errors] == [(code, field)]


def test_every_entry_point_has_the_arguments_of_the_verb() -> None:
    from signalpost.integration import functions
    from signalpost.integration.integration import NotificationIntegration

    verbs = [name for name in vars(SignalVerbs) if name.endswith("_signal")]
    assert len(verbs) == 6
    for name in verbs:
        ours = list(inspect.signature(getattr(SignalVerbs, name)).parameters)
        for method in (name, f"{name}_async"):
            assert list(inspect.signature(getattr(NotificationIntegration, method)).parameters) == ours
            function = getattr(functions, method)
            assert (list(inspect.signature(function).parameters), function.__name__) == (ours[1:], method)
        assert inspect.iscoroutinefunction(getattr(NotificationIntegration, f"{name}_async"))

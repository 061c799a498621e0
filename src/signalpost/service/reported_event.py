"""The change that an `event` of `queue_notification` reports: how earlier versions changed a signal. Pure."""

from typing import Any

from signalpost.domain.change import CancelOrder, Change, Close, ExpireOrder, Fill, Update
from signalpost.domain.signal import Signal
from signalpost.domain.trade import Trade

DEPRECATED = (
    "queue_notification(event=...) is deprecated for signals: use update_signal, fill_signal, close_signal or "
    "cancel_signal"
)


def change_of(event: str, signal: Signal, trade: Trade) -> Change | None:
    """The change of `trade` that `signal` describes; None for an event that is only a message.

    `filled` and `closed` happened at `current_price`. An event that begins with `update` sets the stop, the targets
    ahead and the notes that differ from the trade; if none does, it is a note of `current_price`.
    """
    match event:
        case "filled":
            return Fill(price=signal.current_price)
        case "closed":
            return Close(price=signal.current_price)
        case "cancelled":
            return CancelOrder()
        case "expired":
            return ExpireOrder()
        case _:
            return _update(signal, trade) if event.startswith("update") else None


def _update(signal: Signal, trade: Trade) -> Update:
    news: dict[str, Any] = {}
    if signal.stop_loss is not None and signal.stop_loss != trade.stop:
        news["stop_loss"] = signal.stop_loss
    if (ahead := signal.targets[trade.hits :]) and ahead != trade.targets[trade.hits :]:
        news["targets"] = ahead
    if signal.notes and signal.notes not in (trade.signal.notes, trade.note):
        news["note"] = signal.notes
    return Update(**news or {"note": f"Price {signal.price_text(signal.current_price)}"})

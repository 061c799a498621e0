"""The content of a new signal: what people copy and programs read."""

from collections.abc import Iterable, Iterator

from signalpost.domain.exact import plain
from signalpost.domain.order import OrderKind
from signalpost.domain.signal import Signal
from signalpost.domain.trade import Trade
from signalpost.sinks.discord.cards.look import TicketLayout
from signalpost.sinks.discord.cards.table import MOST_TARGETS, more_targets
from signalpost.sinks.discord.cards.view import View
from signalpost.sinks.discord.cards.wording import HEADLINE, number_text, packed, price_text, ticket_symbol


def order_text(signal: Signal) -> str:
    """The side, with the kind of a pending order: `BUY`, `SELL LIMIT`."""
    side = signal.signal_type.value
    return side if signal.order is OrderKind.MARKET else f"{side} {signal.order.value}"


def ticket(trade: Trade, view: View, layout: TicketLayout) -> list[str]:
    """The lines of a ticket. The first is order, symbol and entry, and the stop if it fits; a price is never cut."""
    first, prices = _entry(trade), list(_prices(trade))
    if layout is TicketLayout.LINES:
        lines = [*first, *prices]
    else:
        if trade.stop is not None and len(joined := f"{first[-1]} {prices[0]}") <= HEADLINE and len(first) == 1:
            first, prices = [joined], prices[1:]
        lines = [*first, *packed(prices, HEADLINE, " ")]
    return [*lines, *more_targets(trade, view), *_marks(trade, view)]


def repeat_mark(trade: Trade, view: View) -> Iterable[str]:
    """A line for readers and programs that may have the message already."""
    return [f"MAY REPEAT: skip it if in {number_text(trade, view)}"] if view.may_repeat else []


def _entry(trade: Trade) -> list[str]:
    signal = trade.signal
    order = f"{order_text(signal)} {ticket_symbol(signal.pair)}"
    entry = f"@ {price_text(trade, signal.entry_price)}"
    line = f"{order} {entry}"
    return [line] if len(line) <= HEADLINE else [order, entry]


def _prices(trade: Trade) -> Iterator[str]:
    if trade.stop is not None:
        yield f"SL {price_text(trade, trade.stop)}"
    for number, target in enumerate(trade.targets[:MOST_TARGETS], 1):
        yield f"TP{number} {price_text(trade, target.price)}"


def _marks(trade: Trade, view: View) -> Iterator[str]:
    if trade.signal.leverage is not None:
        yield f"Leverage {plain(trade.signal.leverage)}x"
    yield from repeat_mark(trade, view)
    if view.closes is not None:
        yield f"Closes #{view.closes.number} first"

"""Builds the card of a signal, with fixed labels for programs and prices in market notation."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from signalpost.domain.exact import fixed, product
from signalpost.domain.sessions import open_sessions
from signalpost.domain.side import SignalStatus, SignalType
from signalpost.domain.signal import Signal
from signalpost.sinks.discord.embed import GREEN, RED, Card, Field, field, when

NEW = "new"

_LONGEST_EVENT = 24
_LONGEST_STRATEGY = 100
_HUNDRED = Decimal(100)


def signal_card(signal: Signal, event: str) -> Card:
    """Build the card of `signal` for `event`.

    Only the headline of a new signal begins with its side: a program that trades on that line must not trade on a
    close.
    """
    side, happened = signal.signal_type, "" if event == NEW else event[:_LONGEST_EVENT]
    headline = f"{side} {signal.pair} {signal.timeframe}"
    return Card(
        headline=f"{happened.upper()} {headline}" if happened else headline,
        title=f"{side} Signal - {signal.pair}" + (f" ({happened})" if happened else ""),
        colour=GREEN if side is SignalType.BUY else RED,
        at=signal.known_at,
        text=signal.notes or "",
        fields=tuple(_fields(signal, is_new=not happened)),
    )


def sessions(signal: Signal) -> str:
    """The trading sessions open when `signal` became known."""
    names = _open_at(signal.known_at)
    return ", ".join(names) + (" (overlap)" if len(names) > 1 else "") or "market closed"


@lru_cache(maxsize=64)
def _open_at(instant: datetime) -> tuple[str, ...]:
    """Cached, because many signals share a candle's close."""
    return open_sessions(instant)


def _fields(signal: Signal, *, is_new: bool) -> Iterator[Field]:
    yield Field("Entry", signal.price_text(signal.entry_price))
    if signal.stop_loss is not None:
        yield Field("SL", signal.price_text(signal.stop_loss))
    if signal.take_profit is not None:
        yield Field("TP1", signal.price_text(signal.take_profit))
    if signal.risk_reward_ratio is not None:
        yield Field("R:R", fixed(signal.risk_reward_ratio, 2))
    if pips := _pips(signal):
        yield Field("Pips", pips)
    if signal.confidence_score is not None:
        yield Field("Confidence", f"{fixed(product(signal.confidence_score, _HUNDRED), 1)}%")
    if signal.strategy_name is not None:
        yield field("Strategy", signal.strategy_name, _LONGEST_STRATEGY)
    yield Field("Timeframe", str(signal.timeframe))
    if signal.pair.asset_class is not None and signal.pair.asset_class.has_sessions:
        yield Field("Sessions", sessions(signal))
    if not is_new:
        yield from _current_state(signal)
    yield Field("Known", when(signal.known_at))
    if is_new:
        yield Field("Valid Until", when(signal.valid_until))


def _current_state(signal: Signal) -> Iterator[Field]:
    """The signal's current state, shown after the first event."""
    if signal.status is not SignalStatus.ACTIVE:
        yield Field("Status", signal.status.capitalize())
    yield Field("Price", signal.price_text(signal.current_price))
    if (multiple := signal.r_multiple(signal.current_price)) is not None:
        yield Field("Result", f"{'' if multiple < 0 else '+'}{fixed(multiple, 2)}R")


def _pips(signal: Signal) -> str:
    distances = (("SL", signal.stop_pips), ("TP1", signal.target_pips))
    return " / ".join(f"{name} {fixed(pips, 1)}" for name, pips in distances if pips is not None)

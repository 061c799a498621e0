"""Builds the card of a signal, with fixed labels for programs and prices in market notation."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from signalpost.domain.exact import fixed, plain, product
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
    order = f"{side} {signal.order}" if signal.status is SignalStatus.PENDING else str(side)
    headline = f"{order} {signal.stream}"
    return Card(
        headline=f"{happened.upper()} {headline}" if happened else headline,
        title=f"{order} Signal - {signal.pair}" + (f" ({happened})" if happened else ""),
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
    yield from _levels(signal)
    if signal.confidence_score is not None:
        yield Field("Confidence", f"{fixed(product(signal.confidence_score, _HUNDRED), 1)}%")
    if signal.strategy_name is not None:
        yield field("Strategy", signal.strategy_name, _LONGEST_STRATEGY)
    if signal.timeframe is not None:
        yield Field("Timeframe", str(signal.timeframe))
    if signal.pair.asset_class is not None and signal.pair.asset_class.has_sessions:
        yield Field("Sessions", sessions(signal))
    if not is_new:
        yield from _current_state(signal)
    yield Field("Known", when(signal.known_at))
    if is_new:
        yield Field("Valid Until", when(signal.valid_until))
        if signal.good_until is not None:
            yield Field("Good Until", when(signal.good_until))


def _levels(signal: Signal) -> Iterator[Field]:
    """Prices and what follows from them: at most 16 fields."""
    zone = signal.entry_zone
    prices = (signal.entry_price,) if zone is None else (signal.entry_price, zone.low, zone.high)
    entry, *ends = (signal.price_text(price) for price in prices)
    yield Field("Entry", f"{entry} ({ends[0]} to {ends[1]})" if ends else entry)
    if signal.stop_loss is not None:
        yield Field("SL", signal.price_text(signal.stop_loss))
    for number, target in enumerate(signal.targets, 1):
        share = "" if target.share is None else f" ({plain(target.share)}%)"
        yield Field(f"TP{number}", signal.price_text(target.price) + share)
    if signal.risk_reward_ratio is not None:
        yield Field("R:R", fixed(signal.risk_reward_ratio, 2))
    if pips := _pips(signal):
        yield Field("Pips", pips)
    if signal.leverage is not None:
        yield Field("Leverage", f"{plain(signal.leverage)}x")
    if signal.risk_percent is not None:
        yield Field("Risk", f"{plain(signal.risk_percent)}%")


def _current_state(signal: Signal) -> Iterator[Field]:
    """The signal's current state, shown after the first event."""
    if signal.status is not SignalStatus.ACTIVE:
        yield Field("Status", signal.status.capitalize())
    yield Field("Price", signal.price_text(signal.current_price))
    if (multiple := signal.r_multiple(signal.current_price)) is not None:
        yield Field("Result", f"{'' if multiple < 0 else '+'}{fixed(multiple, 2)}R")


def _pips(signal: Signal) -> str:
    distances = [("SL", signal.stop_pips)]
    distances += ((f"TP{number}", pips) for number, pips in enumerate(signal.pips_of_targets, 1))
    return " / ".join(f"{name} {fixed(pips, 1)}" for name, pips in distances if pips is not None)

"""Trades, built from signals and their changes, for the tests of cards."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from signalpost import Signal, UserTier
from signalpost.domain.change import Change
from signalpost.domain.life import after, opened
from signalpost.domain.trade import Trade
from signalpost.sinks.discord.cards.companion import Step
from signalpost.sinks.discord.cards.look import Event, Look, Roles
from signalpost.sinks.discord.cards.signal import signal_card
from signalpost.sinks.discord.cards.view import CardLink, MessageLink, View

NOON = datetime(2026, 11, 27, 14, tzinfo=UTC)
"""When most of the signals are known."""
ROLE = "1100000000000000005"
LOOK = Look(roles={UserTier.PREMIUM: Roles(ROLE)})
ALERT_LOOK = Look(roles={UserTier.ADMIN: Roles(by_event={Event.CRITICAL: ROLE})})
PREMIUM = View(tier=UserTier.PREMIUM)
EDIT = View(tier=UserTier.PREMIUM, is_edit=True)

FX: Mapping[str, Any] = {
    "pair": "EUR/USD",
    "timeframe": "H4",
    "signal_type": "BUY",
    "entry_price": "1.08452",
    "stop_loss": "1.07792",
    "targets": [("1.09112", 50), ("1.09442", 30), ("1.09772", 20)],
    "strategy_name": "MA cross",
    "signal_id": "card-14989535",
}
YEN: Mapping[str, Any] = FX | {
    "pair": "USD/JPY",
    "order": "limit",
    "entry_price": "154.850",
    "stop_loss": "154.310",
    "targets": ["155.390", "155.930"],
    "signal_id": "card-12074230",
}
GOLD: Mapping[str, Any] = FX | {
    "pair": "XAU/USD",
    "order": "limit",
    "entry_price": "2641.50",
    "stop_loss": "2629.10",
    "targets": ["2653.90", "2666.30"],
    "strategy_name": "Pullback",
    "signal_id": "card-22216188",
    "good_until": NOON + timedelta(hours=12),
}
POUND: Mapping[str, Any] = FX | {
    "pair": "GBP/JPY",
    "signal_type": "SELL",
    "entry_price": "194.620",
    "stop_loss": "195.320",
    "targets": ["193.920", "193.220"],
    "signal_id": "card-1131622",
    "known_at": datetime(2026, 11, 25, 14, tzinfo=UTC),
}
COIN: Mapping[str, Any] = FX | {
    "pair": "BTC/USDT:USDT",
    "timeframe": "H1",
    "signal_type": "SELL",
    "entry_price": "67420.0",
    "stop_loss": "68430.0",
    "targets": ["66410.0", "65400.0", "63380.0"],
    "leverage": 5,
    "strategy_name": "Breakdown",
    "signal_id": "card-6771378",
}
INDEX: Mapping[str, Any] = FX | {
    "pair": "US500",
    "timeframe": "M15",
    "signal_type": "SELL",
    "entry_price": "5842.5",
    "stop_loss": "5872.5",
    "targets": ["5797.5", "5767.5"],
    "strategy_name": "Range break",
    "signal_id": "card-1286511",
}
SHARE: Mapping[str, Any] = FX | {
    "pair": "AAPL",
    "timeframe": "D",
    "order": "stop",
    "entry_price": "232.50",
    "stop_loss": "226.70",
    "targets": ["241.20", "249.90"],
    "strategy_name": "Breakout",
    "signal_id": "card-27480725",
    "good_until": NOON + timedelta(days=3),
}


def signal(fields: Mapping[str, Any], **changes: Any) -> Signal:
    """A signal, known at `NOON` unless it has a time of its own."""
    given = {"known_at": NOON, **fields, **changes}
    known = given["known_at"]
    return Signal(**{"timestamp": known - timedelta(days=1), **given})


def trade(number: int, fields: Mapping[str, Any], *changes: Change, **other: Any) -> Trade:
    """The trade of a signal after `changes`."""
    return life(number, fields, *changes, **other)[-1]


def life(number: int, fields: Mapping[str, Any], *changes: Change, **other: Any) -> list[Trade]:
    """Each state of the trade of a signal, from its opening to the last of `changes`."""
    made = signal(fields, **other)
    now = made.known_at
    states = [opened(made, number, (UserTier.PREMIUM,), now)]
    for change in changes:
        now = getattr(change, "at", None) or now
        states.append(after(states[-1], change, now))
    return states


def step(number: int, fields: Mapping[str, Any], *changes: Change, since: int = -2) -> Step:
    """The news of the last of `changes`, or of those since an earlier state, with a link to the card."""
    states = life(number, fields, *changes)
    return Step(states[since], states[-1], link(number))


def link(number: int) -> MessageLink:
    """Where the card of trade `number` is."""
    return MessageLink("1100000000000000001", "1100000000000000002", str(1300000000000000000 + number))


def card(number: int) -> CardLink:
    """The card of trade `number`."""
    return CardLink(number, link(number))


def embed(now: Trade, view: View = EDIT, look: Look = LOOK) -> dict[str, Any]:
    made: dict[str, Any] = signal_card(now, look, view)["embeds"][0]
    return made


def lines(now: Trade, view: View = EDIT, look: Look = LOOK) -> list[str]:
    return str(embed(now, view, look)["description"]).split("\n")


def content(now: Trade, view: View = PREMIUM, look: Look = LOOK) -> list[str]:
    return str(signal_card(now, look, view)["content"]).split("\n")


def many(number: int) -> Mapping[str, Any]:
    return {**FX, "targets": [f"1.0{9000 + each}" for each in range(number)]}

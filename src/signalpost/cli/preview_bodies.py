"""The bodies of the messages that `signalpost preview` shows: of a sample, or of a signal in each possible state."""

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

from signalpost.domain.change import CancelOrder, Change, Close, CloseReason, ExpireOrder, Fill, Reopen, Revise, Update
from signalpost.domain.digest import Digest, MissedSignal
from signalpost.domain.exact import rounded
from signalpost.domain.instrument import Instrument
from signalpost.domain.life import after, opened
from signalpost.domain.notification import Payload, notification_of
from signalpost.domain.order import OrderKind
from signalpost.domain.recap import Recap, RecapDays, RecapLine, RecapTrade, Recurrence
from signalpost.domain.reports import Alert, AlertSeverity, AlertStatus, Announcement, MarketAnalysis, SystemStatus
from signalpost.domain.side import SignalType
from signalpost.domain.signal import Signal
from signalpost.domain.tier import UserTier
from signalpost.domain.trade import Trade
from signalpost.errors import InvalidValue, NotPossible, shown
from signalpost.sinks.discord.cards.look import Look
from signalpost.sinks.discord.cards.view import MessageLink
from signalpost.sinks.discord.limits import SILENT
from signalpost.sinks.discord.message import message
from signalpost.sinks.evidence import Unwanted
from signalpost.sinks.port import Item, Shown

Body = dict[str, Any]

OF_A_SIGNAL = ("signal", "companion")
KINDS = (*OF_A_SIGNAL, "alert", "analysis", "status", "announcement", "recap", "digest")
NEW, RESOLVED = "new", "resolved"

_TRIAL = "TRIAL · "
_TICKET = re.compile(r"(BUY|SELL)\b")
_NUMBER = 1042
_LASTED = timedelta(hours=2)
_EMPTY = "empty"
_FILLED_AFTER = timedelta(minutes=25)
_OF_AN_ORDER = ("filled", "cancelled", "expired")
"""The states of the sample that only a pending order can have."""


class Preview(NamedTuple):
    """One message."""

    kind: str
    state: str
    body: Body | None
    """None if nothing is sent."""
    is_edit: bool


class Scene(NamedTuple):
    """The setting of a preview: look, tier and kind of messages."""

    look: Look
    tier: UserTier
    now: datetime
    signal: Signal | None = None
    """None for the sample."""
    is_trial: bool = False
    """Whether each state is posted as a separate message: then nothing is edited, and there is no card to link to."""

    def item(self, payload: Payload, *, is_edit: bool = False, **trades: Trade) -> Item:
        """The notification of a payload, for the tier's readers, and of a trade after and before a change."""
        made = notification_of(payload, None, self.tier, ticket_id="preview", accepted_at=self.now)
        link = self.link(_NUMBER) if is_edit or "before" in trades else None
        card = None if link is None else Shown(link.message_id, link.channel_id, link.guild_id)
        return Item(made.but(**trades), card=card)

    def body(self, item: Item) -> Body | None:
        """The body of its message, as it would be sent; None if the operator turned it off."""
        try:
            return message([item], self.look, self.now)
        except Unwanted:
            return None

    def link(self, number: int) -> MessageLink | None:
        """A link to the card of a trade, with ids of a sample."""
        if self.is_trial:
            return None
        return MessageLink("1100000000000000001", "1100000000000000002", str(1_300_000_000_000_000_000 + number))


def previews(kind: str, state: str | None, scene: Scene) -> list[Preview]:
    """The message of `kind` in `state`, or those of all states that are possible.

    Raises InvalidValue for an unknown kind or state, and NotPossible for a state that the signal cannot have.
    """
    check_known("kind", kind, KINDS)
    bodies = _bodies(kind, scene)
    if state is not None and state not in bodies:
        check_known("state", state, [each.state for each in previews(kind, None, scene)])
    found = []
    for name in bodies if state is None else (state,):
        try:
            body = bodies[name]()
        except NotPossible:
            if state is not None:
                raise
            continue
        is_edit = (kind == "signal" and name != NEW) or (kind, name) == ("alert", RESOLVED)
        found.append(Preview(kind, name, body, is_edit and not scene.is_trial))
    return found


def as_trial(body: Body) -> Body:
    """`body`, marked as a trial and silent, without the text that a program could trade on."""
    is_ticket = _TICKET.match(body["content"])
    content = "new signal, not live" if is_ticket else body["content"]
    embeds = [
        {**each, "title": f"{_TRIAL}{each['title']}"} if "title" in each else each for each in body.get("embeds", ())
    ]
    return {**body, "content": f"{_TRIAL}{content}", "embeds": embeds, "flags": SILENT}


def check_known(field: str, value: str, known: Collection[str]) -> None:
    """Raises InvalidValue, which lists the known values, if `value` is not one of them."""
    if value not in known:
        names = ", ".join(known)
        text = f"there is no {field} {shown(value)}: use one of {names}"
        raise InvalidValue(text, code="unknown-word", field=field, value=shown(value), limit=names)


def _bodies(kind: str, scene: Scene) -> Mapping[str, Callable[[], Body | None]]:
    if kind in OF_A_SIGNAL:
        states = _changes(scene.signal or _sample(scene.now))
        if kind == "signal":
            return {state: partial(_card, state, scene) for state in states}
        companions = {state: partial(_companion, state, scene) for state in states if state != NEW}
        return {**companions, RESOLVED: partial(_resolved, scene)}
    return {state: partial(scene.body, item) for state, item in _reports(kind, scene).items()}


def _reports(kind: str, scene: Scene) -> Mapping[str, Item]:
    match kind:
        case "alert":
            alerts = {state: alert(scene.now) for state, alert in _ALERTS.items()}
            return {state: scene.item(alert, is_edit=state == RESOLVED) for state, alert in alerts.items()}
        case "status":
            return {
                state: scene.item(SystemStatus(status=state, message=text, timestamp=scene.now))
                for state, text in _STATUSES.items()
            }
        case "analysis":
            return {NEW: scene.item(MarketAnalysis(**_ANALYSIS, timestamp=scene.now))}
        case "recap":
            return {state: scene.item(_recap(state, scene)) for state in (*Recurrence, _EMPTY)}
        case "digest":
            return {NEW: scene.item(_digest(scene))}
        case _:
            return {NEW: scene.item(Announcement(**_ANNOUNCEMENT, timestamp=scene.now))}


def _card(state: str, scene: Scene) -> Body | None:
    trade = _life(state, scene)[-1]
    return scene.body(scene.item(trade.signal, is_edit=state != NEW, trade=trade))


def _companion(state: str, scene: Scene) -> Body | None:
    *_, before, trade = _life(state, scene)
    if scene.look.copy(scene.tier).delay:  # a delayed tier has no companions
        return None
    return scene.body(scene.item(trade.signal, trade=trade, before=before))


def _resolved(scene: Scene) -> Body | None:
    item = scene.item(_ALERTS[RESOLVED](scene.now), is_edit=True)
    return scene.body(item._replace(notification=item.notification.but(is_recovery=True)))


def _life(state: str, scene: Scene) -> list[Trade]:
    """The trade in each state from its opening to `state`."""
    signal = scene.signal or _sample(
        scene.now if state == NEW else scene.now - _LASTED,
        OrderKind.LIMIT if state in _OF_AN_ORDER else OrderKind.MARKET,
    )
    trades = [opened(signal, _NUMBER, (scene.tier,), signal.known_at)]
    for change in _changes(signal)[state]:
        trades.append(after(trades[-1], change, _time_of(change, signal)))
    return trades


def _time_of(change: Change, signal: Signal) -> datetime:
    if isinstance(change, ExpireOrder) and signal.good_until is not None:
        return signal.good_until
    return signal.known_at + (_FILLED_AFTER if isinstance(change, Fill) else _LASTED)


def _changes(signal: Signal) -> Mapping[str, tuple[Change, ...]]:
    """The changes that lead to each state of a signal."""
    fill = Fill(price=signal.entry_price)
    is_filled = (fill,) if signal.order.is_pending else ()
    gain, loss = _prices(signal)
    by_target = Close(reason=CloseReason.TARGET) if signal.targets else Close(price=gain)
    return {
        NEW: (),
        "filled": (fill,),
        **{f"tp{number}": (*is_filled, Update(target_hit=number)) for number in range(1, len(signal.targets) + 1)},
        "stop-moved": (*is_filled, Update(stop_at_entry=True)),
        "part-closed": (*is_filled, Update(close_part=50, price=gain)),
        "closed": (*is_filled, by_target),
        "closed-by-hand": (*is_filled, Close(price=gain)),
        "stopped": (*is_filled, Close(reason=CloseReason.STOP)),
        "reversed": (*is_filled, Close(price=loss, reason=CloseReason.REVERSED)),
        "cancelled": (CancelOrder(),),
        "expired": (ExpireOrder(),),
        "revised": (*is_filled, Revise()),
        "reopened": (*is_filled, Close(price=gain), Reopen()),
    }


def _prices(signal: Signal) -> tuple[str, str]:
    """A price halfway to the first target, and one halfway to the stop; the entry without either."""
    entry = Fraction(signal.entry_price)
    loss = entry if signal.stop_loss is None else Fraction(signal.stop_loss)
    without_target = entry * entry / loss if loss else entry  # as far as the stop, and never below zero
    gain = Fraction(signal.targets[0].price) if signal.targets else without_target
    halfway = (rounded((entry + level) / 2) for level in (gain, loss))
    return signal.price_text(next(halfway)), signal.price_text(next(halfway))


def _sample(known_at: datetime, order: OrderKind = OrderKind.MARKET) -> Signal:
    return Signal(
        pair="EUR/USD",
        timeframe="H4",
        signal_type="BUY",
        order=order,
        entry_price="1.08452",
        stop_loss="1.07792",
        targets=[("1.09112", 50), ("1.09442", 30), ("1.09772", 20)],
        strategy_name="MA cross",
        confidence_score="0.82",
        timestamp=known_at - timedelta(hours=4),
        known_at=known_at,
        good_until=known_at + _LASTED if order.is_pending else None,
    )


def _no_candles(severity: AlertSeverity, now: datetime, **fields: Any) -> Alert:
    return Alert(
        alert_type="feed",
        severity=severity,
        title="No EURUSD candles",
        message="The feed sends no EURUSD candles. New signals for it are late.",
        context={"do": "restart the feed, then check its log", RESOLVED: "EURUSD candles are back"},
        timestamp=now - timedelta(minutes=12),
        **fields,
    )


_ALERTS: Mapping[str, Callable[[datetime], Alert]] = {
    "critical": partial(_no_candles, AlertSeverity.CRITICAL),
    "high": partial(_no_candles, AlertSeverity.HIGH),
    "medium": partial(_no_candles, AlertSeverity.MEDIUM),
    "escalated": partial(_no_candles, AlertSeverity.HIGH, escalation_level=1),
    RESOLVED: lambda now: _no_candles(AlertSeverity.CRITICAL, now, status=AlertStatus.RESOLVED, resolved_at=now),
}
_STATUSES = {
    "operational": "All feeds are on time",
    "degraded": "Signals up to 4 min late\nThe feed is slow.\nNew signals arrive up to 4 min late.",
    "down": "No signals\nThe feed does not answer.\nNo new signals until it does.",
}


_ANALYSIS: Mapping[str, Any] = {
    "title": "1.0850 decides",
    "text": "The week's high is at 1.0850. Above it, buyers have no level before 1.0920.\n"
    "Below 1.0790 the view is wrong.",
    "pair": "EUR/USD",
}
_ANNOUNCEMENT: Mapping[str, Any] = {
    "title": "Maintenance on Sunday",
    "text": "The service stops for an hour.\n**Open trades are not affected.**",
}


def _recap(state: str, scene: Scene) -> Recap:
    days = RecapDays()
    yesterday = days.day_at(scene.now) - timedelta(days=1)
    period = days.week(yesterday) if state == Recurrence.WEEKLY else days.day(yesterday)
    lines = () if state == _EMPTY else _RESULTS
    return Recap(
        period=period,
        timestamp=scene.now,
        lines=lines,
        open=2,
        not_filled=1 if lines else 0,
        with_r=sum(line.trades for line in lines),
        best=_trade_of_recap(_NUMBER, "1.35", scene),
        worst=_trade_of_recap(_NUMBER + 2, "-1", scene),
    )


def _trade_of_recap(number: int, r: str, scene: Scene) -> RecapTrade:
    link = scene.link(number)
    ids = () if link is None else (link.message_id, link.channel_id, link.guild_id)
    return RecapTrade(number, Fraction(r), *ids)


_RESULTS = (
    RecapLine(Instrument("EUR_USD"), 1, 0, 0, Fraction("1.35")),
    RecapLine(Instrument("BTC_USDT"), 0, 1, 0, Fraction(-1)),
    RecapLine(Instrument("USD_JPY"), 0, 1, 0, Fraction(-1)),
)


def _digest(scene: Scene) -> Digest:
    signals = tuple(
        MissedSignal(f"sample-{number}", number, Instrument(pair), side, scene.now - ago, standing)
        for number, pair, side, ago, standing in (
            (_NUMBER, "EUR_USD", SignalType.BUY, timedelta(hours=2), "+0.50R"),
            (_NUMBER + 2, "BTC_USDT", SignalType.SELL, timedelta(hours=1), "not filled"),
        )
    )
    since = scene.now - timedelta(minutes=160)
    return Digest(destination="sample", since=since, timestamp=scene.now, signals=signals)

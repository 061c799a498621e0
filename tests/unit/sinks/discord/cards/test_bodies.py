"""Each body of `bodies.json`, built from a signal and its changes, or from the values of another payload."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest

from signalpost import Alert, Announcement, MarketAnalysis, SystemStatus, UserTier
from signalpost.domain.change import CancelOrder, Close, CloseReason, ExpireOrder, Fill, Update
from signalpost.domain.digest import Digest, MissedSignal
from signalpost.domain.instrument import Instrument
from signalpost.domain.recap import Period, Recap, RecapDays, RecapLine, RecapTrade
from signalpost.domain.side import SignalType
from signalpost.domain.tier import Hidden
from signalpost.sinks.discord.cards.alert import alert_card, resolved_companion
from signalpost.sinks.discord.cards.away import away_card
from signalpost.sinks.discord.cards.companion import Step, companion
from signalpost.sinks.discord.cards.recap import recap_card
from signalpost.sinks.discord.cards.reports import analysis_card, announcement_card, status_card
from signalpost.sinks.discord.cards.signal import signal_card
from signalpost.sinks.discord.cards.view import MessageLink, View
from signalpost.sinks.discord.chart import plan_of
from signalpost.sinks.discord.message import message
from signalpost.sinks.port import Chart, Item, Shown
from tests.candles_before import candles_until
from tests.unit.sinks.discord.cards.lives import (
    ALERT_LOOK,
    COIN,
    EDIT,
    FX,
    GOLD,
    INDEX,
    LOOK,
    NOON,
    POUND,
    PREMIUM,
    ROLE,
    SHARE,
    YEN,
    card,
    link,
    step,
    trade,
)
from tests.unit.sinks.notifications import notification

BODIES: dict[str, Any] = json.loads((Path(__file__).parent / "bodies.json").read_text(encoding="utf-8"))
HALF_AN_HOUR = timedelta(minutes=30)
FREE = View(tier=UserTier.FREE, hidden=frozenset({Hidden.STOP, Hidden.TARGETS, Hidden.CHART}), delay=HALF_AN_HOUR)
ADMIN = View(tier=UserTier.ADMIN)

HIT_1, HIT_2, HIT_3 = (Update(target_hit=number) for number in (1, 2, 3))
TO_ENTRY = Update(stop_loss="be")
FILLED = Fill(price="154.848", at=datetime(2026, 11, 27, 17, tzinfo=UTC))
HALF = Update(close_part=50, price="194.060", note="Half closed by hand before the weekend", at=POUND["known_at"])
BY_HAND = Close(price="193.990", at=POUND["known_at"] + timedelta(hours=51))
AT_STOP = Close(reason=CloseReason.STOP, at=NOON + timedelta(hours=5, minutes=20))
BREAK_EVEN = Close(reason=CloseReason.STOP, at=NOON + timedelta(hours=9, minutes=45))
HIT_ALL = Update(target_hit=3, at=NOON + timedelta(hours=30))
REVERSED = Close(price="5854.5", reason=CloseReason.REVERSED, at=NOON + timedelta(minutes=150))
CANCELLED = CancelOrder(reason="high-impact news in 30 min", at=datetime(2026, 11, 27, 16, tzinfo=UTC))
EXPIRED = ExpireOrder(at=NOON + timedelta(days=3))
NO_STOP = {"stop_loss": None, "targets": ["1.09112"]}
AFTER = {
    "pair": "US500",
    "signal_type": "BUY",
    "entry_price": "5854.5",
    "stop_loss": "5824.5",
    "targets": ["5899.5", "5929.5"],
    "signal_id": "card-2946218",
    "known_at": datetime(2026, 11, 27, 16, 30, tzinfo=UTC),
}
PAST = {
    "signal_type": "SELL",
    "entry_price": "1.11206",
    "stop_loss": "1.11866",
    "targets": ["1.10216"],
    "signal_id": "card-9686416",
    "known_at": datetime(2022, 3, 3, 10, tzinfo=UTC),
}
FIVE = ["1.08782", "1.09112", "1.09442", "1.09772", "1.10432"]

CHART_TEXT = plan_of(trade(1042, FX), PREMIUM, candles_until(trade(1042, FX).signal)).text
SIGNALS: dict[str, Callable[[], Any]] = {
    "new-market-fx": lambda: signal_card(trade(1042, FX), LOOK, PREMIUM),
    "new-limit-fx": lambda: signal_card(trade(1043, YEN), LOOK, PREMIUM),
    "new-gold-limit": lambda: signal_card(trade(1046, GOLD), LOOK, PREMIUM),
    "new-index": lambda: signal_card(trade(1045, INDEX), LOOK, PREMIUM),
    "new-stop-entry-stock": lambda: signal_card(trade(1047, SHARE), LOOK, PREMIUM),
    "new-crypto-perp": lambda: signal_card(trade(1044, COIN), LOOK, PREMIUM),
    "new-confidence-chart": lambda: signal_card(
        trade(1042, FX, confidence_score="0.82"), LOOK, View(tier=UserTier.PREMIUM, chart=Chart(b"", CHART_TEXT))
    ),
    "new-five-targets": lambda: signal_card(trade(1042, FX, targets=FIVE), LOOK, PREMIUM),
    "new-no-stop": lambda: signal_card(trade(1042, FX, **NO_STOP), LOOK, PREMIUM),
    "new-bare": lambda: signal_card(trade(1042, FX, stop_loss=None, targets=[]), LOOK, PREMIUM),
    "new-may-repeat": lambda: signal_card(trade(1042, FX), LOOK, View(tier=UserTier.PREMIUM, may_repeat=True)),
    "new-by-reversal": lambda: signal_card(
        trade(1051, {**INDEX, **AFTER}), LOOK, View(tier=UserTier.PREMIUM, closes=card(1045))
    ),
    "new-replay": lambda: signal_card(trade(17, {**FX, **PAST}), LOOK, View(tier=UserTier.PREMIUM, run="march")),
    "new-free": lambda: signal_card(trade(1042, FX), LOOK, FREE),
    "filled": lambda: signal_card(trade(1043, YEN, FILLED), LOOK, EDIT),
    "tp1-hit": lambda: signal_card(trade(1042, FX, HIT_1), LOOK, EDIT),
    "stop-to-entry": lambda: signal_card(trade(1042, FX, HIT_1, TO_ENTRY), LOOK, EDIT),
    "partial-close": lambda: signal_card(trade(1039, POUND, HALF), LOOK, EDIT),
    "closed-profit": lambda: signal_card(trade(1042, FX, HIT_1, TO_ENTRY, HIT_2, HIT_ALL), LOOK, EDIT),
    "closed-by-hand": lambda: signal_card(trade(1039, POUND, HALF, BY_HAND), LOOK, EDIT),
    "closed-no-stop": lambda: signal_card(
        trade(1042, FX, Update(target_hit=1, at=BREAK_EVEN.at), **NO_STOP), LOOK, EDIT
    ),
    "closed-at-stop": lambda: signal_card(trade(1044, COIN, AT_STOP), LOOK, EDIT),
    "closed-break-even": lambda: signal_card(trade(1042, FX, HIT_1, TO_ENTRY, BREAK_EVEN), LOOK, EDIT),
    "closed-free": lambda: signal_card(
        trade(1042, FX, HIT_1, TO_ENTRY, HIT_2, HIT_ALL),
        LOOK,
        View(tier=UserTier.FREE, hidden=FREE.hidden, delay=HALF_AN_HOUR, is_edit=True),
    ),
    "cancelled": lambda: signal_card(trade(1046, GOLD, CANCELLED), LOOK, EDIT),
    "expired": lambda: signal_card(trade(1047, SHARE, EXPIRED), LOOK, EDIT),
    "reversed": lambda: signal_card(
        trade(1045, INDEX, REVERSED), LOOK, View(tier=UserTier.PREMIUM, is_edit=True, closed_by=card(1051))
    ),
}

COMPANIONS: dict[str, Callable[[], list[Step]]] = {
    "ping-filled": lambda: [step(1043, YEN, FILLED)],
    "ping-tp1-hit": lambda: [step(1042, FX, HIT_1)],
    "ping-tp1-and-stop": lambda: [step(1042, FX, HIT_1, TO_ENTRY, since=0)],
    "ping-stop-to-entry": lambda: [step(1042, FX, HIT_1, TO_ENTRY)],
    "ping-partial-close": lambda: [step(1039, POUND, HALF)],
    "ping-closed-profit": lambda: [step(1042, FX, HIT_1, TO_ENTRY, HIT_2, HIT_ALL)],
    "ping-closed-by-hand": lambda: [step(1039, POUND, HALF, BY_HAND)],
    "ping-closed-at-stop": lambda: [step(1044, COIN, AT_STOP)],
    "ping-reversed": lambda: [step(1045, INDEX, REVERSED)],
    "ping-cancelled": lambda: [step(1046, GOLD, CANCELLED)],
    "ping-expired": lambda: [step(1047, SHARE, EXPIRED)],
    "ping-several": lambda: [step(1042, FX, HIT_1), step(1044, COIN, AT_STOP), step(1047, SHARE, EXPIRED)],
}


def feed_alert(**changes: Any) -> Alert:
    given = {
        "alert_type": "external_api_downtime",
        "severity": "critical",
        "title": "No EURUSD candles",
        "message": "The price feed is silent\nNo signals until it is back.",
        "source": "fx-feed",
        "context": {"do": "check the feed's account and network.", "resolved": "EURUSD candles are back"},
        "timestamp": NOON,
        "alert_id": "card-8116140",
    }
    return Alert(**(given | changes))


def refused_alert() -> Alert:
    return Alert(
        alert_type="delivery",
        severity="high",
        title="Premium webhook refuses",
        message="signals-premium refused 5 messages. They are kept as dead letters.",
        context={"do": "read the first one, then revive them.", "answer": 400},
        timestamp=NOON,
        alert_id="card-23136077",
    )


def disk_alert() -> Alert:
    return Alert(
        alert_type="resource_exhaustion",
        severity="medium",
        title="Disk 82% full",
        message="4.1 GB left\nin the data folder, about 9 days at today's rate.",
        source="host",
        timestamp=NOON,
        alert_id="card-16840351",
    )


def resolved_alert() -> Alert:
    return feed_alert(
        message="The price feed is back. 1 candle was read late, no signal was missed.",
        status="resolved",
        resolved_at=NOON + timedelta(minutes=19),
    )


def analysis() -> MarketAnalysis:
    return MarketAnalysis(
        title="1.0850 decides",
        pair="EUR/USD",
        text="Buyers have the week so far. Price has held above the 140-candle average since Tuesday, and each dip was "
        "bought higher.\n```\nAbove 1.08500 then 1.09300\nBelow 1.07800 wrong\n```\n"
        "The US jobs report may decide it early.",
        timestamp=NOON,
    )


def announcement() -> Announcement:
    return Announcement(
        title="No signals on 24 and 25 December",
        text="Markets are thin over Christmas, so the strategies rest. Open trades keep their stops and are still "
        "reported here.\n**From** <t:1798063200:f>\n**To** <t:1798408800:f>",
        timestamp=NOON,
    )


def status(word: str, message: str, waiting: int, minutes: int = 0) -> SystemStatus:
    uptime = timedelta(days=12, hours=4, minutes=minutes)
    at = NOON + timedelta(minutes=minutes)
    return SystemStatus(status=word, message=message, uptime=uptime, metrics={"waiting": waiting}, timestamp=at)


SLOW = "Signals up to 4 min late\nDiscord answers slowly.\nSignals come late, none is lost."
FAST = "Signals are on time\nThe slow spell is over.\nAll 3 waiting signals were sent."


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def missed(number: int, pair: str, side: SignalType, known_at: str, standing: str) -> MissedSignal:
    return MissedSignal(f"s{number}", number, Instrument(pair), side, at(known_at), standing)


DIGEST = Digest(
    destination="signals-premium",
    since=at("2026-11-27T13:50:00Z"),
    timestamp=at("2026-11-27T16:30:00Z"),
    signals=(
        missed(1042, "EUR_USD", SignalType.BUY, "2026-11-27T14:00:00Z", "+0.50R"),
        missed(1044, "BTC_USDT", SignalType.SELL, "2026-11-27T15:00:00Z", "-1.00R"),
        missed(1046, "XAU_USD", SignalType.BUY, "2026-11-27T16:00:00Z", "not filled"),
    ),
)


def line(pair: str, wins: int, losses: int, even: int, r: str) -> RecapLine:
    return RecapLine(Instrument(pair), wins, losses, even, Fraction(r))


def recap(period: Period, *lines: RecapLine, **fields: Any) -> Recap:
    known_at = period.last_day.isoformat() + "T22:00:00Z"
    with_r = sum(each.trades for each in lines)
    return Recap(period=period, timestamp=at(known_at), lines=lines, with_r=with_r, **fields)


DAILY = recap(
    RecapDays().day(date(2026, 11, 27)),
    line("EUR_USD", 1, 0, 0, "1.35"),
    line("BTC_USDT", 0, 1, 0, "-1"),
    line("USD_JPY", 0, 1, 0, "-1"),
    open=2,
    not_filled=1,
)
EMPTY = recap(RecapDays().day(date(2026, 11, 28)), open=2)
WEEKLY = recap(
    msgspec.structs.replace(  # without weekend
        RecapDays().week(date(2026, 11, 27)), until=at("2026-11-28T00:00:00Z"), day=date(2026, 11, 27)
    ),
    line("EUR_USD", 3, 2, 0, "1.35"),
    line("GBP_JPY", 1, 1, 0, "-0.15"),
    line("USD_JPY", 0, 2, 0, "-2"),
    line("BTC_USDT", 2, 1, 1, "2.1"),
    line("XAU_USD", 1, 2, 0, "-0.6"),
    line("US500", 0, 1, 0, "-0.4"),
    open=2,
    not_filled=3,
    best=RecapTrade(1031, Fraction(2), link(1031).message_id, link(1031).channel_id, link(1031).guild_id),
    worst=RecapTrade(1044, Fraction(-1), link(1044).message_id, link(1044).channel_id, link(1044).guild_id),
)
ESCALATED_AT = NOON + timedelta(minutes=5)

OTHERS: dict[str, Callable[[], Any]] = {
    "alert-critical": lambda: alert_card(feed_alert(), ALERT_LOOK, ADMIN, NOON),
    "alert-escalated": lambda: alert_card(feed_alert(escalation_level=1), ALERT_LOOK, ADMIN, ESCALATED_AT),
    "alert-high": lambda: alert_card(refused_alert(), ALERT_LOOK, ADMIN, NOON),
    "alert-other": lambda: alert_card(disk_alert(), ALERT_LOOK, ADMIN, NOON),
    "alert-resolved": lambda: alert_card(resolved_alert(), ALERT_LOOK, View(is_edit=True), NOON),
    "ping-alert-resolved": lambda: resolved_companion(
        resolved_alert(),
        ALERT_LOOK,
        ADMIN,
        MessageLink("1100000000000000001", "1100000000000000002", "1300000000000000900"),
    ),
    "analysis": lambda: analysis_card(analysis(), LOOK, View()),
    "announcement": lambda: announcement_card(announcement(), LOOK, View()),
    "digest": lambda: away_card(DIGEST, LOOK, View()),
    "recap-daily": lambda: recap_card(DAILY, LOOK, View()),
    "recap-empty": lambda: recap_card(EMPTY, LOOK, View()),
    "recap-weekly": lambda: recap_card(WEEKLY, LOOK, View()),
    "status-degraded": lambda: status_card(status("degraded", SLOW, 3), LOOK, View()),
    "status-ok": lambda: status_card(status("operational", FAST, 0, 22), LOOK, View(), NOON),
}


def test_every_body_has_a_test() -> None:
    assert {*SIGNALS, *COMPANIONS, *OTHERS} == BODIES.keys()


@pytest.mark.parametrize("name", [*SIGNALS, *OTHERS])
def test_a_card_is_the_expected_body_to_the_byte(name: str) -> None:
    assert json.dumps({**SIGNALS, **OTHERS}[name]()) == json.dumps(BODIES[name])


@pytest.mark.parametrize("name", COMPANIONS)
def test_a_companion_is_the_expected_body_to_the_byte(name: str) -> None:
    assert json.dumps(companion(COMPANIONS[name](), LOOK, PREMIUM)) == json.dumps(BODIES[name])


def test_a_companion_pings_the_role_of_its_tier() -> None:
    assert ROLE in str(companion([step(1046, GOLD, CANCELLED)], LOOK, PREMIUM))
    assert ROLE not in str(companion([step(1046, GOLD, CANCELLED)], LOOK, View(tier=UserTier.FREE)))
    assert link(1046).url in str(companion([step(1046, GOLD, CANCELLED)], LOOK, PREMIUM))


def test_several_companions_sent_together_are_the_expected_body_to_the_byte() -> None:
    items = []
    for made in COMPANIONS["ping-several"]():
        assert made.card is not None
        shown = Shown(made.card.message_id, made.card.channel_id, made.card.guild_id)
        items.append(Item(notification(made.after.signal, trade=made.after, before=made.before), card=shown))
    wanted = [each._replace(tier=UserTier.PREMIUM) for each in items]
    assert json.dumps(message(wanted, LOOK, NOON)) == json.dumps(BODIES["ping-several"])

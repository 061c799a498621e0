"""Draws the submitted notifications, of every kind, priority, tier and validity."""

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import NamedTuple

from signalpost import clock
from signalpost.domain import change as verbs
from signalpost.domain.notification import Payload
from signalpost.domain.reports import Alert, Announcement, MarketAnalysis, SystemStatus
from signalpost.domain.signal import Signal
from simulation.trades import STOP, TARGETS, Change, price

LOW, NORMAL, HIGH, URGENT = range(1, 5)
TIERS = ("free", "premium", "admin", "vip", "desk")
SIGNALS_TO = {
    "free": ("signals-free",),
    "premium": ("signals-premium",),
    "admin": ("signals-premium",),
    "vip": ("signals-vip",),
    "desk": ("signals-premium", "signals-desk"),
}
"""The destinations of signals per tier, written by hand for the checks."""
_SEVERITIES = ("info", "low", "medium", "high", "critical")
_BY_SEVERITY = {"info": LOW, "low": LOW, "medium": NORMAL, "high": HIGH, "critical": URGENT}
_CONFIDENCE = {NORMAL: "0.5", HIGH: "0.85", URGENT: "0.95"}
KINDS = ("signal", "signal", "signal", "alert", "alert", "analysis", "status", "announcement")


class Submission(NamedTuple):
    """One notification to submit."""

    ref: str
    sequence: str
    order: int
    kind: str
    event: str
    tier: str
    severity: str
    priority: int
    has_priority: bool
    """The caller passes the priority instead of leaving it to be derived."""
    timeframe: str
    valid_for: float | None
    """Seconds; None for the default, negative if already stale when submitted."""
    variant: int = 0
    """A different number gives different content."""
    side: str = "BUY"
    entry: str = "market"
    """The order of a trade: `market` or `limit`."""

    @property
    def places(self) -> tuple[str, ...]:
        """Its destinations."""
        match self.kind:
            case "signal" | "trade":
                return SIGNALS_TO[self.tier]
            case "alert":
                return ("alerts-critical" if self.severity in ("critical", "high") else "alerts-general",)
            case "analysis":
                return ("market-analysis",)
            case "status":
                return ("system-status",)
            case _:
                return ("community",)


def drawn(random: Random, ref: str, kind: str | None = None) -> Submission:
    """Draw a random submission, the first of its sequence."""
    kind = kind or random.choice(KINDS)
    severity = random.choice(_SEVERITIES)
    has_priority = random.random() < 0.5
    if has_priority:
        priority = random.choice((LOW, NORMAL, NORMAL, HIGH, URGENT))
    elif kind == "signal":
        priority = random.choice((NORMAL, NORMAL, HIGH, URGENT))
    else:
        priority = {"alert": _BY_SEVERITY[severity], "status": LOW}.get(kind, NORMAL)
    roll = random.random()
    valid_for = None if roll < 0.8 else random.uniform(2, 90) if roll < 0.96 else -random.uniform(1, 4000)
    timeframe = random.choice(("5m", "15m", "1h", "4h"))
    return Submission(
        ref, f"q{ref}", 0, kind, "new", random.choice(TIERS), severity, priority, has_priority, timeframe, valid_for
    )


def drawn_trade(random: Random, ref: str) -> Submission:
    """Draw the opening of a trade that is changed later."""
    return Submission(
        ref, ref, 0, "trade", "new", random.choice(TIERS), "info", random.choice((NORMAL, NORMAL, HIGH, URGENT)), True,
        random.choice(("15m", "1h", "4h")), None if random.random() < 0.9 else random.uniform(2, 90),
        side=random.choice(("BUY", "SELL")), entry=random.choice(("market", "market", "limit")),
    )  # fmt: skip


def change_of(change: Change, side: str) -> verbs.Change:
    """The change as the intake takes it."""
    at, note = price(side, change.pips), f"see {change.ref}"
    made: dict[str, Callable[[], verbs.Change]] = {
        "fill": lambda: verbs.Fill(price=at),
        "note": lambda: verbs.Update(note=note),
        "stop": lambda: verbs.Update(stop_loss=at, note=note),
        "break-even": lambda: verbs.Update(stop_loss="be", note=note),
        "target": lambda: verbs.Update(target_hit=change.number, note=note),
        "target, break-even": lambda: verbs.Update(target_hit=change.number, stop_loss="be", note=note),
        "part": lambda: verbs.Update(close_part=change.number, price=at, note=note),
        "close": lambda: verbs.Close(price=at, reason="manual"),
        "reverse": lambda: verbs.Close(price=at, reason="reversed"),
        "stopped": lambda: verbs.Close(reason="stop"),
        "time out": lambda: verbs.Close(reason="time", from_feed=True),
        "cancel": verbs.CancelOrder,
        "expire": verbs.ExpireOrder,
        "correct": lambda: verbs.Correct(stop_loss=at),
        "reopen": verbs.Reopen,
    }
    return made[change.kind]()


def payload_of(submission: Submission) -> Payload:
    """Build the payload of a submission, with the current time."""
    now = clock.now()
    until = None if submission.valid_for is None else now + timedelta(seconds=submission.valid_for)
    at = now if submission.valid_for is None or submission.valid_for > 0 else now - timedelta(hours=2)
    text = f"{submission.ref} {submission.variant}"
    match submission.kind:
        case "signal":
            return Signal(
                pair="EUR/USD",
                timeframe=submission.timeframe,
                signal_type="BUY",
                entry_price="1.1000",
                stop_loss="1.0950",
                take_profit="1.1100",
                timestamp=now - timedelta(hours=8),
                known_at=at,
                signal_id=submission.sequence,
                confidence_score=_CONFIDENCE.get(submission.priority, "0.5"),
                notes=text,
                valid_until=until,
            )
        case "trade":
            return Signal(
                pair="EUR/USD",
                timeframe=submission.timeframe,
                signal_type=submission.side,
                order=submission.entry,
                entry_price=price(submission.side, 0),
                stop_loss=price(submission.side, STOP),
                targets=[price(submission.side, pips) for pips in TARGETS],
                timestamp=now - timedelta(hours=8),
                known_at=at,
                signal_id=submission.sequence,
                valid_until=until,
            )
        case "alert":
            return Alert(
                alert_type="database_connectivity",
                severity=submission.severity,
                title=text,
                timestamp=at,
                alert_id=submission.sequence,
                valid_until=until,
            )
        case "analysis":
            return MarketAnalysis(
                title=text, text=text, timestamp=at, analysis_id=submission.sequence, valid_until=until
            )
        case "status":
            return SystemStatus(
                status="operational", message=text, timestamp=at, status_id=submission.sequence, valid_until=until
            )
        case _:
            return Announcement(
                title=text, text=text, timestamp=at, announcement_id=submission.sequence, valid_until=until
            )

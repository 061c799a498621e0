"""Counts faults and events over many runs: a fault that never occurred was not tested."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from simulation.candles import DAWNS
from simulation.check_ends import ENDS
from simulation.check_signals import fate_of
from simulation.evidence import Evidence
from simulation.faults import FAULTS, GONE, Proof
from simulation.life import EDGES
from simulation.reader import Card
from simulation.recorder import Recapped, Recorder
from simulation.run import Run
from simulation.tracks import late_edits
from simulation.trades import KINDS

_CRASHES = (*(f"crash {edge}" for edge in EDGES), "killed", "stopped")
_TROUBLES = (
    "step",
    "suspend",
    "down",
    "gone",
    "moved",
    "card deleted",
    "store failed",
    "outage",
    "frozen",
    "taken over",
)
_ANSWERS = ("accepted", "duplicate", "suppressed", "held", "refused")
_BREAKERS = ("open", "half-open", "closed")
_CHANGES = ("accepted", "duplicate", "held", "refused: not-possible", "refused: stale-version")
_MUST = {
    "fault": (*FAULTS, *GONE.values()),
    "end of a delivery": ENDS,
    "end of a process": _CRASHES,
    "trouble": _TROUBLES,
    "beside the owner": ("left", "queued"),
    "answer to a caller": _ANSWERS,
    "breaker": _BREAKERS,
    "answer to a change": _CHANGES,
    "change": KINDS,
    "edit": ("carried out", "unanswered", "carried out, unanswered", "refused, old edits", "refused, message is gone"),
    "trade": ("card", "companion", "companions together", "replacement", "passed on", "delayed"),
    "recap": ("daily", "weekly", "none, nothing to report", "of less than a day"),
    "seen": ("repeat, marked", "revived", "processed after it was given up", "lapsed"),
}
"""Faults and events that must occur at least once, by kind."""
_MUST_OF_STRATEGIES = {
    "end of a process": _CRASHES,
    "trouble": ("step", "suspend", "down", "store failed"),
    "signal": ("posted", "too-old", "late-correction", "revised"),
    "trade": ("stop", "target", "reversed", "cancelled"),
    "stream": (
        *("hangs", "raises", "fails", "slow", "clock of the feed ahead", "several pages"),
        *("duplicate", "out-of-order", "correction", "gap", "flat"),
        *("state from cache", "state from store", "state from origin"),
        *("copy outdated or foreign", "copies forgotten"),
    ),
    "first day": DAWNS,
}
"""The same for runs of strategies."""


class Tally:
    """Counters over many runs."""

    def __init__(self, *, has_strategies: bool = False) -> None:
        self._must = _MUST_OF_STRATEGIES if has_strategies else _MUST
        self.counts: Counter[tuple[str, str]] = Counter()
        self.runs = 0
        self.hours = 0.0
        self.notifications = 0
        self.requests = 0

    def add(self, run: Run) -> None:
        """Count a run."""
        recorder = run.recorder
        self.runs += 1
        self.hours += run.plan.hours
        self.notifications += len(recorder.submitted)
        self.requests += len(recorder.requests)
        for kind, names in self._occurred(run):
            self.counts[kind, names] += 1

    def update(self, other: "Tally") -> None:
        """Add the counts of another tally."""
        self.counts += other.counts
        self.runs += other.runs
        self.hours += other.hours
        self.notifications += other.notifications
        self.requests += other.requests

    def missing(self) -> list[str]:
        """Required faults and events that did not occur."""
        return [
            f"{kind}: {name}" for kind, names in self._must.items() for name in names if not self.counts[kind, name]
        ]

    def table(self) -> str:
        """Format the counts as a table."""
        lines = []
        for kind, names in self._must.items():
            rows = [*names, *sorted(name for each, name in self.counts if each == kind and name not in names)]
            lines.append(f"{kind}:")
            lines += [f"    {self.counts[kind, name]:>8}  {name}" for name in rows]
        return "\n".join(lines)

    def _occurred(self, run: Run) -> Iterator[tuple[str, str]]:
        recorder = run.recorder
        yield from (("fault", request.fault) for request in recorder.requests if request.fault is not None)
        yield from (("end of a process", end) for _, _, _, end in recorder.lives if end != "the end")
        yield from (("trouble", trouble.kind) for trouble in recorder.troubles)
        yield from (("beside the owner", end) for end in recorder.beside.values())
        owners = {number for number, _, _, _ in recorder.lives}
        yield from (("beside the owner", "queued") for commit in recorder.commits if commit.life not in owners)
        yield from (("trouble", "outage") for _ in run.plan.outages)
        yield from (("trouble", "store failed") for _ in recorder.store_trouble)
        yield from (("answer to a caller", answer[0]) for each in recorder.submitted for answer in each.answers)
        yield from (("breaker", moved.state) for moved in recorder.breakers)
        yield from (("end of a delivery", commit.state) for commit in recorder.commits if commit.state in ENDS)
        yield from _of_strategies(run) if run.plan.has_strategies else _of_trades(run, Evidence(run))
        yield from _of_recaps(recorder)
        yield from (("seen", "revived") for commit in recorder.commits if commit.turn > 1 and commit.state == "pending")
        for request in recorder.requests:
            if request.message_id is not None and any(part.is_marked for part in request.parts):
                yield "seen", "repeat, marked"
            if request.fault == "hangs, recorded late" and request.message_id is not None:
                yield "seen", "processed after it was given up"


def _of_strategies(run: Run) -> Iterator[tuple[str, str]]:
    yield "first day", run.plan.dawn
    yield from (("stream", name) for name, count in run.seen.items() if count)
    for entry in run.trades:
        yield "signal", fate_of(entry)
        if entry.trade.end is not None and fate_of(entry) == "posted":
            yield "trade", str(entry.trade.end.reason or entry.trade.state)
        yield from (("signal", "revised") for flag in entry.trade.flags if flag == "revised")


def _of_recaps(recorder: Recorder) -> Iterator[tuple[str, str]]:
    last: dict[tuple[str, str], Recapped] = {}
    for each in recorder.recaps:
        before = last.get((each.of, each.kind))
        if before is not None:
            yield "recap", "none, nothing to report" if each.ref is None else each.kind
            if each.ref is not None and timedelta(0) < each.until - before.until < timedelta(days=1):
                yield "recap", "of less than a day"
        last[each.of, each.kind] = each


def _of_trades(run: Run, evidence: Evidence) -> Iterator[tuple[str, str]]:
    recorder = run.recorder
    changes = {asked.change.ref: asked.change.kind for asked in recorder.asked}
    for each in recorder.amended:
        yield "answer to a change", each.outcome + (f": {each.refusal}" if each.refusal else "")
        if each.outcome == "accepted":
            yield "change", changes[each.change]
    yield from (("answer to a change", "held") for each in recorder.asked for a in each.answers if a[0] == "held")
    for request in recorder.requests:
        if request.method == "PATCH":
            is_shown, is_answered = request.message_id is not None, request.status is not None
            if is_shown or not is_answered:
                yield "edit", ", ".join(["carried out"] * is_shown + ["unanswered"] * (not is_answered))
            if request.holds_edits:
                yield "edit", "refused, old edits"
        elif request.message_id is not None and request.trades:
            is_card = isinstance(request.trade, Card)
            yield "trade", "card" if is_card else "companion" if len(request.trades) == 1 else "companions together"
        if request.proof is Proof.MISSING:
            yield "edit", "refused, message is gone"
        if isinstance(request.trade, Card) and request.trade.replaces and request.method == "POST":
            yield "trade", "replacement"
    opened = {each.ref: each for each in recorder.opened if evidence.is_delayed(each)}
    yield from (("trade", "delayed") for trade in recorder.numbers if trade in opened)
    yield from (("trade", "passed on") for commit in recorder.commits if commit.passed_on_to is not None)
    yield from (("trouble", "card deleted") for _ in recorder.deleted)
    yield from (("edit", "carried out too late") for _ in range(late_edits(evidence)))
    yield from (("seen", "lapsed") for owed in evidence.owed for _ in owed.lapsed)

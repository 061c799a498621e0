"""Draws the plan of a run from its seed."""

from random import Random
from typing import NamedTuple

from simulation.candles import CALM, DAWNS, TIERS_OF_STRATEGIES, TO_A_CLOSE
from simulation.clocks import DAWN
from simulation.faults import EVERYWHERE, OUTAGES, Outage
from simulation.life import EDGES
from simulation.network import Place
from simulation.trades import Change, changes
from simulation.workload import SIGNALS_TO, TIERS, URGENT, Submission, drawn, drawn_trade

_TOKEN = "simulated-token-of-sixty-eight-characters-and-some-more-so-it-is-long"
_NAMES = {
    "signals-free": 20,
    "signals-premium": 30,
    "signals-vip": 30,
    "signals-desk": 30,
    "alerts-critical": 10,
    "alerts-general": 15,
    "market-analysis": 10,
    "system-status": 5,
    "community": 30,
}
_SHARED = {
    "alerts-general": "operations",
    "system-status": "operations",
    "signals-premium": "premium",
    "signals-desk": "premium",
}
PLACES = {
    name: Place(
        name, f"{100000000000000000 + number}", f"{_TOKEN}-{number}",
        _SHARED.get(name, name), messages,
    )
    for number, (name, messages) in enumerate(_NAMES.items())
}  # fmt: skip
"""All destinations. Two pairs share a channel, which the machine is not configured to know."""

MOVED = ("signals-free", "signals-vip")
"""Destinations whose webhook may be moved to another channel, and back."""
FALLBACKS = {
    "signals-free": ("signals-desk", "signals-vip"),
    "signals-premium": ("signals-vip",),
    "community": ("market-analysis",),
}
"""Destinations that stand in for another one, in runs that have fallbacks."""
RECAPPED = ("signals-free", "signals-premium", "signals-vip")
"""Destinations with daily and weekly recaps, in runs that have them."""
_ENDS_OF_DAYS = (("Etc/GMT+12", 18), ("Pacific/Marquesas", 21), ("Etc/GMT+12", 19), ("UTC", 0), ("Etc/GMT+12", 0))
"""Time zones and hours at which the days of recaps may end; the first three are Sundays although the market is open."""
_DAWN_OF_RECAPS = "2025-08-25T05:20:00Z"
"""40 minutes before the first of them, at which a week ends, too."""
DELAYED = "free"
"""The tier that gets its signals later, in runs with a delay."""
SUBMISSIONS_A_DAY = 200
"""A minimum; even the shortest run has a few."""
TRADES_A_DAY = 60
_OLD = 3600.0
"""Seconds after which Discord takes few edits of a message."""


class Action(NamedTuple):
    """An event at a moment of the run."""

    at: float
    """Seconds since the start, by the machine's monotonic clock."""
    kind: str
    submission: Submission | None = None
    number: float = 0.0
    place: str = ""
    change: Change | None = None


class Plan(NamedTuple):
    """The plan of a run."""

    seed: int
    hours: float
    actions: tuple[Action, ...]
    outages: tuple[Outage, ...]
    fault_share: float
    workers: int
    has_reserve: bool
    slowest_commit: float
    store_down: tuple[tuple[float, float], ...]
    """Periods of true time in which the store fails."""
    is_calm: bool = False
    """True if there are no faults, so that the machine must be healthy all the time."""
    delay: float = 0.0
    """Seconds by which the tier DELAYED gets its signals later."""
    falls_back_after: float | None = None
    """Seconds after which a destination that is down is replaced by its FALLBACKS; None for none."""
    dawn: str = DAWN
    pauses: tuple[float, ...] = (0.0, 0.1, 3.0, 60.0, 600.0)
    """Seconds between two processes, one of which is chosen."""
    has_strategies: bool = False
    share_of_failed_signals: float = 0.0
    """The share of the commits of strategies' signals that fail."""
    recap_days: tuple[tuple[str, int], ...] = ()
    """The time zone and hour at which days of recaps end, in one process after another; empty for no recaps."""

    @property
    def places(self) -> dict[str, Place]:
        """The destinations that it uses."""
        used = {place for tier in TIERS_OF_STRATEGIES for place in SIGNALS_TO[tier]} if self.has_strategies else PLACES
        return {name: place for name, place in PLACES.items() if name in used}


def plan(seed: int, hours: float, *, is_calm: bool = False, has_trades: bool = True) -> Plan:
    """Draw the plan of a seed, always the same one. A calm plan has no faults, and one without trades no changes."""
    drawn_plan = _without_trades(seed, hours, is_calm=is_calm)
    if not has_trades:
        return drawn_plan
    if not is_calm:
        drawn_plan = _with_fallbacks(drawn_plan, Random(f"fallbacks {seed}"))
        drawn_plan = _with_delay(drawn_plan, Random(f"delay {seed}"))
    drawn_plan = _with_recaps(drawn_plan, Random(f"recaps {seed}"))
    made = [*drawn_plan.actions, *_trades(Random(f"trades {seed}"), hours * 3600, drawn_plan.store_down)]
    if not is_calm:
        outages, reopened = _reopened(Random(f"reopened {seed}"), hours * 3600)
        drawn_plan, made = drawn_plan._replace(outages=(*drawn_plan.outages, *outages)), made + reopened
        if (old := Random(f"old trades {seed}")).random() < 0.4 and hours > 1.2:
            made += _bursts(old, hours * 3600, 90_200, 90_200, age=_OLD + 100)
        made += _cut_short(Random(f"cut short {seed}"), hours * 3600)
        made += _moderation(Random(f"moderator {seed}"), hours * 3600)
        made += _neighbours(Random(f"neighbours {seed}"), hours * 3600, [each.at for each in made if each.submission])
    return drawn_plan._replace(actions=tuple(sorted(made, key=lambda action: action.at)))


def plan_of_strategies(seed: int, hours: float) -> Plan:
    """Draw the plan of a run in which strategies make all signals. Channels are never down for as long as a candle."""
    random = Random(f"strategies {seed}")
    seconds = hours * 3600
    actions: list[Action] = []
    for _ in range(round(hours / 12)):
        doomed = random.random() < 0.7
        kind, number = ("doom", random.choice((0, 1, 2, 5, 13))) if doomed else (random.choice(("kill", "stop")), 0.0)
        actions.append(Action(_about_a_close(random, hours), kind, number=number, place=random.choice(EDGES)))
    for _ in range(random.choice((0, 1, 2))):
        at, step = random.uniform(CALM, seconds - 7200), random.choice((-3600.0, -60.0, 60.0, 3600.0))
        back = at + random.choice((5.0, 600.0, 7000.0))
        actions += [Action(at, "step", number=step), Action(back, "step", number=-step)]
    if random.random() < 0.3:
        kind = random.choice(("suspend", "suspend, counted"))
        actions.append(Action(random.uniform(CALM, seconds), kind, number=random.choice((300.0, 9000.0))))
    downs = [_about_a_close(random, hours) for _ in range(random.choice((0, 2, 12)))]
    return Plan(
        seed=seed,
        hours=hours,
        actions=tuple(sorted(actions, key=lambda action: action.at)),
        outages=(),
        fault_share=random.choice((0.0, 0.02, 0.08)),
        workers=random.choice((1, 2)),
        has_reserve=True,
        slowest_commit=random.choice((0.0, 0.005, 0.05)),
        store_down=tuple((at, at + random.choice((2.0, 30.0, 300.0))) for at in downs),
        dawn=random.choice(DAWNS),
        pauses=(0.0, 0.1, 3.0, 60.0, 60.0, 600.0, 600.0, 600.0, 5 * 3600.0, 20 * 3600.0),
        has_strategies=True,
        share_of_failed_signals=random.choice((0.0, 0.5, 0.5)),
    )


def _about_a_close(random: Random, hours: float) -> float:
    """Seconds from the beginning to a moment that is usually just after the close of a candle."""
    if random.random() < 0.3:
        return random.uniform(CALM, hours * 3600)
    return random.randrange(round(CALM), round(hours * 3600), 3600) + TO_A_CLOSE + random.uniform(0.5, 3.0)


def _with_fallbacks(plan: Plan, random: Random) -> Plan:
    """About half of the runs have fallbacks, and outages in which they are needed."""
    after = random.choice((None, None, 5.0, 30.0, 300.0))
    if after is None:
        return plan
    outages = []
    for _ in range(random.choice((1, 2, 2))):
        began = random.random() * plan.hours * 3600
        lasts = random.choice((60.0, 600.0, 2400.0))
        place = random.choice((*FALLBACKS, *FALLBACKS, "signals-vip"))
        outages.append(Outage(began, began + lasts, place, random.choice(tuple(OUTAGES)), random.random() < 0.2))
    began = random.random() * plan.hours * 3600
    outages.append(Outage(began, began + 600.0, "community", "shown, unanswered", probes_pass=False))
    doubtful = [drawn(random, f"n9{number:04}", "announcement") for number in range(6)]  # which are then passed on
    made = [Action(began + random.random() * 10, "submission", each) for each in doubtful]
    return plan._replace(
        falls_back_after=after, outages=(*plan.outages, *outages), actions=(*plan.actions, *made)
    )  # fmt: skip


def _with_delay(plan: Plan, random: Random) -> Plan:
    """About half of the runs have a tier that gets its signals later. Updates without a trade show it no content."""
    if not (delay := random.choice((0.0, 0.0, 20.0, 300.0))):
        return plan
    kept = [each for each in plan.actions if each.submission is None or not _is_update(each.submission)]
    return plan._replace(delay=delay, actions=tuple(kept))


def _with_recaps(plan: Plan, random: Random) -> Plan:
    """About half of the runs change the settings of recaps from process to process."""
    first, second, *_ = _ENDS_OF_DAYS
    others = [random.choice(_ENDS_OF_DAYS) for _ in range(5)]
    days = random.choice(((first,), (first, second, *others)))
    return plan._replace(dawn=_DAWN_OF_RECAPS, recap_days=days)


def _is_update(submission: Submission) -> bool:
    return submission.kind == "signal" and submission.tier == DELAYED and submission.event != "new"


def _trades(random: Random, seconds: float, store_down: tuple[tuple[float, float], ...]) -> list[Action]:
    """Openings of trades and their changes; some of them while the store fails."""
    made: list[Action] = []
    number = 1
    for count in range(max(5, round(seconds / 86_400 * TRADES_A_DAY * random.uniform(0.5, 1.5)))):
        at = random.random() * seconds
        if store_down and random.random() < 0.3:
            at = max(0.0, store_down[0][0] - random.random() * 5)
        opening = drawn_trade(random, f"t{count + 1:05}")
        made.append(Action(at, "submission", opening))
        drawn_changes = changes(random, opening.ref, opening.entry, at, number)
        number += len(drawn_changes)
        made += [Action(moment, "change", change=change) for moment, change in drawn_changes if moment < seconds]
    return made + _bursts(random, seconds, count + 1, number)


def _bursts(random: Random, seconds: float, count: int, number: int, age: float = 30.0) -> list[Action]:
    """Trades of one tier that change together at this age, as after a candle. Another signal follows old ones."""
    made: list[Action] = []
    for _ in range(max(1, round(seconds / 3600))):
        at, tier = random.random() * (seconds - age - 30), random.choice(TIERS)
        for _ in range(random.randint(3, 6)):
            count += 1
            opening = drawn_trade(random, f"t{count:05}")._replace(tier=tier, entry="market")
            first, *later = changes(random, opening.ref, opening.entry, at + age + random.random(), number)
            number += 1 + len(later)
            drawn_changes = [(at + age + random.random(), first[1]), *later]
            made.append(Action(at, "submission", opening))
            made += [Action(moment, "change", change=change) for moment, change in drawn_changes if moment < seconds]
        if age > _OLD:
            signal = drawn(random, f"n{count:05}", "signal")._replace(tier=tier)
            made.append(Action(at + age + 5 + 10 * random.random(), "submission", signal))
    return made


def _cut_short(random: Random, seconds: float) -> list[Action]:
    """A process dies as it posts a card; the trade changes after its opening has expired."""
    at, edge = random.random() * seconds, random.choice(("before a request", "after an answer"))
    opening = drawn_trade(random, "t90001")._replace(valid_for=random.uniform(10, 90), entry="market")
    later = changes(random, opening.ref, opening.entry, at + random.uniform(700, 1500), 90_001)
    made = [Action(moment, "change", change=change) for moment, change in later if moment < seconds]
    return [Action(at, "doom", place=edge), Action(at + 0.01, "submission", opening), *made]


def _reopened(random: Random, seconds: float) -> tuple[list[Outage], list[Action]]:
    """In half of the runs, a card looks again as it did before an edit that was carried out without an answer."""
    at = random.random() * seconds
    if random.random() < 0.5 or at + 400 > seconds:
        return [], []
    opening = drawn_trade(random, "t90002")._replace(tier="vip", entry="market", valid_for=None)
    kinds = ((60, "close"), (120, "reopen"), (200, "close"), (200 + 9 * random.random(), "reopen"))
    made = [
        Action(at + after, "change", change=Change(f"c{number}", opening.ref, kind, pips=40))
        for number, (after, kind) in enumerate(kinds, start=90_101)
    ]
    outage = Outage(at + 190, at + 230, "signals-vip", "shown, unanswered", probes_pass=False)
    return [outage], [Action(at, "submission", opening), *made]


def _moderation(random: Random, seconds: float) -> list[Action]:
    """What moderators do to cards and webhooks."""
    hours = max(1, round(seconds / 3600))
    made = [Action(random.random() * seconds, "delete a card") for _ in range(random.randint(0, 3 + hours))]
    made += [each._replace(at=each.at + random.random() * 600) for each in made]  # of its replacement, perhaps
    moves = random.choice((0, 0, 1, 1 + hours // 6))
    return made + [Action(random.random() * seconds, "move", place=random.choice(MOVED)) for _ in range(moves)]


def _neighbours(random: Random, seconds: float, busy: list[float]) -> list[Action]:
    """In about half of the runs, other processes use the folder for a while, and processes freeze at `busy` moments."""
    made: list[Action] = []
    for _ in range(random.choice((0, 0, 1, 2))):
        at, stays = random.random() * seconds, random.choice((300.0, 1800.0, 3600.0))
        made.append(Action(at, "join", number=stays))
        meanwhile = [each for each in busy if at < each < at + stays] or [at + stays / 2]
        made += [
            Action(random.choice(meanwhile) + random.random(), "freeze", number=random.choice((3.0, 12.0, 45.0, 120.0)))
            for _ in range(random.choice((0, 1, 1, 2)))
        ]
    return made


def _without_trades(seed: int, hours: float, *, is_calm: bool) -> Plan:
    random = Random(f"plan {seed}")
    seconds = hours * 3600
    submissions = _submissions(random, seconds)
    if is_calm:
        first = sorted(submissions, key=lambda action: action.at)
        return Plan(
            seed, hours, tuple(first), (), 0.0, 2, has_reserve=True, slowest_commit=0.005, store_down=(), is_calm=True
        )
    actions = sorted([*submissions, *_events(random, seconds, len(submissions))], key=lambda action: action.at)
    return Plan(
        seed=seed,
        hours=hours,
        actions=tuple(actions),
        outages=_outages(random, seconds),
        fault_share=random.choice((0.0, 0.02, 0.08, 0.25)),
        workers=random.choice((1, 2, 2, 2, 3)),
        has_reserve=random.random() < 0.8,
        slowest_commit=random.choice((0.0, 0.005, 0.05)),
        store_down=_store_failures(random, seconds),
    )


def _submissions(random: Random, seconds: float) -> list[Action]:
    made: list[Action] = []
    wanted = max(12, round(seconds / 86_400 * SUBMISSIONS_A_DAY * random.uniform(1.1, 2.5)))
    number = 0
    while len(made) < wanted:
        at = random.random() * seconds
        if random.random() < 0.1:  # a burst, of one kind or of all
            kind = random.choice((None, "signal", "alert", "status", "announcement"))
            size, spread = random.randint(10, 60), random.choice((0.1, 5.0, 60.0))
        else:
            kind, size, spread = None, 1, 1.0
        for _ in range(size):
            number += 1
            submission = drawn(random, f"n{number:05}", kind)
            moment = at + random.random() * spread
            made.append(Action(moment, "submission", submission))
            if random.random() < 0.3:
                number = _followed(random, made, submission, moment, number)
            if random.random() < 0.04:
                made.append(Action(moment + random.random() * 30, "again", submission))
            if random.random() < 0.02:
                made.append(Action(moment + 1 + random.random() * 30, "conflict", submission))
    return made


def _followed(random: Random, made: list[Action], first: Submission, at: float, number: int) -> int:
    """Add updates and the closing event of a sequence."""
    events = [f"update {n}" for n in range(1, random.randint(1, 4))] + ["closed"]
    for order, event in enumerate(events, start=1):
        number += 1
        at += random.choice((0.0, 0.5, 10.0, 300.0)) * random.random()
        priority = random.choice((first.priority, first.priority, URGENT))
        submission = first._replace(ref=f"n{number:05}", order=order, event=event, priority=priority, has_priority=True)
        made.append(Action(at, "submission", submission))
    return number


def _events(random: Random, seconds: float, submissions: int) -> list[Action]:
    made: list[Action] = []
    hours = max(1, round(seconds / 3600))
    for _ in range(random.randint(0, 2 + hours // 2)):
        at = random.random() * seconds
        if random.random() < 0.6:
            made.append(Action(at, "doom", number=random.choice((0, 1, 2, 5, 13)), place=random.choice(EDGES)))
        else:
            made.append(Action(at, random.choice(("kill", "stop")), number=random.choice((0.0, 0.5, 10.0))))
    for _ in range(random.randint(0, 1 + hours // 6)):
        step = random.choice((-1, 1)) * random.choice((2.0, 60.0, 3600.0))
        made.append(Action(random.random() * seconds, "step", number=step))
    if random.random() < 0.3:
        kind = random.choice(("suspend", "suspend, counted"))
        made.append(Action(random.random() * seconds, kind, number=random.choice((5.0, 300.0, 3000.0))))
    if random.random() < 0.3:
        place = random.choice(tuple(PLACES))
        at = random.random() * seconds
        made.append(Action(at, random.choice(("delete", "rotate")), place=place))
        if random.random() < 0.6:
            made.append(Action(at + random.uniform(5, seconds / 2), "restore", place=place))
    for kind, share in (("cancel", 0.02), ("revive", 0.04)):
        times = round(submissions * share * random.random() * 2)
        made += [Action(random.random() * seconds, kind) for _ in range(times)]
    return made


def _outages(random: Random, seconds: float) -> tuple[Outage, ...]:
    made = []
    for _ in range(random.choice((0, 0, 1, 1, 2, 3))):
        began = random.random() * seconds
        place = random.choice((EVERYWHERE, *PLACES))
        lasts = random.choice((20.0, 60.0, 600.0, min(7200.0, seconds / 3)))
        made.append(Outage(began, began + lasts, place, random.choice(tuple(OUTAGES)), random.random() < 0.2))
    return tuple(made)


def _store_failures(random: Random, seconds: float) -> tuple[tuple[float, float], ...]:
    if random.random() < 0.7:
        return ()
    began = random.random() * seconds
    return ((began, began + random.choice((2.0, 30.0, 300.0))),)

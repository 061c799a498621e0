"""Draws trades and their changes, and computes by hand what the card of each version says.

Prices are pips from the planned entry, and gains are positive for both sides. Shares are per cent.
"""

from fractions import Fraction
from random import Random
from typing import NamedTuple

STOP, TARGETS = -50, (50, 100, 150)
"""The planned levels of each trade."""
_ENTRY = 11_000
_GAPS = (0.0, 0.5, 5.0, 12.0, 60.0, 600.0, 4000.0)
"""Seconds between two changes, at most."""
_AT_ENTRY, _ELSEWHERE = "SL AT ENTRY", "SL MOVED"
"""The news of a stop that was moved."""
_LIVE = frozenset({"pending", "open"})
_WORDS = {"stop": "STOPPED", "reversed": "REVERSED"}
"""How titles name an end, by its reason."""


class Change(NamedTuple):
    """A change of a trade, as a person or a program reports it."""

    ref: str
    trade: str
    kind: str
    """One of KINDS."""
    pips: int = 0
    number: int = 0
    """Of a target, or a share in per cent."""
    behind: int | None = None
    """It is for the version known to its producer, less this; None for whichever there is."""


class Standing(NamedTuple):
    """A trade after some changes."""

    state: str
    news: str = "NEW"
    """What the latest change was, as the title of a live card says it."""
    fill: int | None = None
    stop: int = STOP
    first_stop: int = STOP
    hits: int = 0
    parts: tuple[tuple[Fraction, int], ...] = ()
    reason: str = ""
    note: str | None = None
    is_noted: bool = False
    """Its latest change brought the note."""
    before: "Standing | None" = None
    """What a reopening brings back."""

    @property
    def entry(self) -> int:
        """The fill, or the planned entry."""
        return self.fill or 0

    @property
    def open_share(self) -> Fraction:
        """The share that is still open."""
        return 100 - sum((share for share, _ in self.parts), Fraction(0))

    @property
    def is_live(self) -> bool:
        """True before its end."""
        return self.state in _LIVE

    @property
    def shown(self) -> tuple[str, str | None]:
        """The state in its card's title, and the note on it."""
        if self.is_live:
            return self.news, self.note
        note = self.note if self.is_noted else None
        if self.state == "closed" and self.open_share == 0:
            return f"{_WORDS.get(self.reason, 'CLOSED')} {self._result()}", note
        return self.state.upper(), note

    @property
    def r(self) -> Fraction:
        """Its result in R, of the parts that were closed."""
        gain = sum((share * (price - self.entry) for share, price in self.parts), Fraction(0)) / 100
        return gain / abs(self.entry - self.first_stop)

    def _result(self) -> str:
        r = self.r
        cents = int(abs(r) * 100 + Fraction(1, 2))
        sign = "" if cents == 0 else "+" if r > 0 else "-"
        return f"{sign}{cents // 100}.{cents % 100:02}R"


def opened(entry: str) -> Standing:
    """A trade after its opening, by a `market` or a `limit` order."""
    return Standing("pending" if entry == "limit" else "open")


def after(trade: Standing, change: Change) -> Standing:
    """The trade after a change that the book accepted."""
    trade = trade._replace(is_noted=False)
    if change.kind in _ENDS:
        return _closed(trade, change)
    if change.kind == "reopen":
        assert trade.before is not None
        return trade.before._replace(note=trade.note)
    if change.kind == "correct":
        return trade._replace(stop=change.pips, first_stop=change.pips)
    if change.kind == "fill":
        filled = trade._replace(fill=change.pips, state="open")
        if trade.state == "pending":
            return filled._replace(news="FILLED", first_stop=trade.stop)
        return filled._replace(news=_news_of_stop(filled)) if trade.news in {_AT_ENTRY, _ELSEWHERE} else filled
    return _updated(trade._replace(note=change.ref, is_noted=True), change)


def _updated(trade: Standing, change: Change) -> Standing:
    match change.kind:
        case "stop":
            return _moved(trade, change.pips)
        case "break-even":
            return _moved(trade, trade.entry)
        case "target":
            return _hit(trade, change.number)
        case "target, break-even":
            hit = _hit(trade, change.number)
            if not hit.is_live:
                return hit
            return _moved(hit, hit.entry)._replace(news=hit.news) if hit.hits > trade.hits else _moved(hit, hit.entry)
        case "part":
            part = (Fraction(change.number), change.pips)
            closed = trade._replace(parts=(*trade.parts, part), news=f"{change.number}% CLOSED")
            return closed if closed.open_share else _ended(trade, closed, "closed", "manual")
        case _:
            return trade


def _closed(trade: Standing, change: Change) -> Standing:
    state, reason = _ENDS[change.kind]
    if state != "closed" or reason == "time":
        return _ended(trade, trade, state, reason)
    price = trade.stop if reason == "stop" else change.pips
    return _ended(trade, trade._replace(parts=(*trade.parts, (trade.open_share, price))), state, reason)


def _moved(trade: Standing, stop: int) -> Standing:
    if stop == trade.stop:
        return trade
    first = stop if trade.state == "pending" else trade.first_stop
    moved = trade._replace(stop=stop, first_stop=first)
    return moved._replace(news=_news_of_stop(moved))


def _news_of_stop(trade: Standing) -> str:
    return _AT_ENTRY if trade.stop == trade.entry else _ELSEWHERE


def _hit(trade: Standing, number: int) -> Standing:
    if number <= trade.hits:
        return trade
    share = trade.open_share / (len(TARGETS) - trade.hits)
    parts = (*trade.parts, *((share, price) for price in TARGETS[trade.hits : number]))
    hit = trade._replace(hits=number, parts=parts, news=f"TP{number} HIT")
    return hit if hit.open_share else _ended(trade, hit, "closed", "target")


def _ended(before: Standing, trade: Standing, state: str, reason: str) -> Standing:
    return trade._replace(state=state, reason=reason, before=before)


def price(side: str, pips: int) -> str:
    """A price that is so many pips better than the planned entry."""
    whole = _ENTRY + (pips if side == "BUY" else -pips)
    return f"{whole // 10_000}.{whole % 10_000:04}"


def changes(random: Random, trade: str, entry: str, at: float, first: int) -> list[tuple[float, Change]]:
    """Draw changes of a trade that was opened `at`, with their times; mostly possible ones."""
    made: list[tuple[float, Change]] = []
    standing = opened(entry)
    for number in range(first, first + random.randint(1, 9)):
        at += random.choice(_GAPS) * random.random()
        change = _drawn(random, f"c{number:05}", trade, standing)
        if change.kind in _possible(standing):
            standing = after(standing, change)
        made.append((at, change))
        if not standing.is_live and random.random() < 0.6:
            break
        if random.random() < 0.15:
            made.append((at + random.choice((0.0, 1.0, 30.0)) * random.random(), change))
    return made


def _possible(trade: Standing) -> tuple[str, ...]:
    if not trade.is_live:
        return ("reopen", "reopen", "note")
    if trade.state == "pending":
        return ("fill", "fill", "fill", "note", "stop", "cancel", "expire", "correct")
    return (
        "note", "stop", "break-even", "target", "target", "target, break-even", "part",
        "close", "stopped", "reverse", "correct", "time out",
    )  # fmt: skip


_ENDS = {
    "close": ("closed", "manual"),
    "stopped": ("closed", "stop"),
    "reverse": ("closed", "reversed"),
    "time out": ("closed", "time"),
    "cancel": ("cancelled", ""),
    "expire": ("expired", ""),
}
"""The state and the reason of an end."""
KINDS = ("fill", "note", "stop", "break-even", "target", "target, break-even", "part", "close", "stopped", "reverse",
         "cancel", "expire", "correct", "time out", "reopen")  # fmt: skip


def _drawn(random: Random, ref: str, trade: str, standing: Standing) -> Change:
    kind = random.choice(_possible(standing) if random.random() < 0.9 else KINDS)
    behind = random.choice((0, 0, 1, 2)) if random.random() < 0.3 else None
    pips = {
        "fill": random.randint(-5, 5),
        "stop": random.randint(-45, 40),
        "part": random.randint(5, 45),
        "correct": random.choice((-40, -60)),
    }.get(kind, random.randint(-70, 160))
    number = random.choice((20, 30)) if kind == "part" else min(len(TARGETS), standing.hits + random.choice((1, 1, 2)))
    return Change(ref, trade, kind, pips, number, behind)

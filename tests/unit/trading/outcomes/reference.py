"""An independent computation of what becomes of a trade: slow, in fractions, and sharing nothing with the source.

It only knows how to buy. A sale is a purchase in a mirror, where each price p is -p and bid and ask change places.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

Price = Fraction
Four = tuple[Price, Price, Price, Price]
"""Open, high, low and close."""


class Plan(NamedTuple):
    side: str
    order: str
    entry: Price
    stop: Price | None
    targets: Sequence[Price] = ()
    shares: Sequence[Fraction] = ()
    """The part of the whole to sell at each target; equal parts if empty."""
    ends: int | None = None
    """The number of the candle before which an order that waits expires."""
    leaves: int | None = None
    """The number of the candle at whose open an opposite trade is entered."""


class Bar(NamedTuple):
    bid: Four
    ask: Four


class Event(NamedTuple):
    what: str
    candle: int
    price: Price | None = None
    target: int | None = None


class Story(NamedTuple):
    events: list[Event]
    flags: set[str]
    r: Fraction | None = None
    """The result; None while open, if never entered, and without a stop."""


def story(plan: Plan, bars: Sequence[Bar], moves: Mapping[int, Price] | None = None) -> Story:
    """Play the case. `moves` are stops that were set while the candle with that number formed."""
    moves = moves or {}
    if plan.side == "BUY":
        return _Purchase(plan, moves).live(bars)
    turned_plan = plan._replace(
        side="BUY", entry=-plan.entry, stop=_minus(plan.stop), targets=[-target for target in plan.targets]
    )
    turned = story(
        turned_plan, [Bar(_turn(bar.ask), _turn(bar.bid)) for bar in bars], {n: -p for n, p in moves.items()}
    )
    return turned._replace(events=[event._replace(price=_minus(event.price)) for event in turned.events])


def _minus(price: Price | None) -> Price | None:
    return None if price is None else -price


def _turn(four: Four) -> Four:
    first, high, low, last = four
    return -first, -low, -high, -last


class _Purchase:
    def __init__(self, plan: Plan, moves: Mapping[int, Price]) -> None:
        self.plan, self.moves = plan, moves
        self.events: list[Event] = []
        self.flags: set[str] = set()
        self.stop = plan.stop
        self.paid: Price | None = None
        self.risk: Price | None = None
        self.left = Fraction(1)
        self.gained = Fraction(0)
        equal = [Fraction(1, len(plan.targets)) for _ in plan.targets]
        self.to_come = list(zip(range(1, 11), plan.targets, plan.shares or equal, strict=False))
        self.over = False

    def live(self, bars: Sequence[Bar]) -> Story:
        for number, bar in enumerate(bars):
            if not self.over:
                self.candle(number, bar)
        result = self.gained / self.risk if self.left == 0 and self.risk else None
        return Story(self.events, self.flags, result)

    def candle(self, number: int, bar: Bar) -> None:
        at_open = self.stop
        if number == self.plan.leaves and (self.paid is not None or self.plan.order == "MARKET"):
            bar = Bar(*((first, first, first, first) for first in (bar.bid[0], bar.ask[0])))  # the rest comes later
        path = self.path_after_entry(number, bar) if self.paid is None else ["open", "low", "high"]
        if self.paid is not None and not self.over:
            self.walk(number, bar, path)
            if number == self.plan.leaves and not self.over:
                self.sell(Event("reversed", number, bar.bid[0]), self.left)
        if number in self.moves and not self.over:
            self.stop = self.moves[number]
            last = bar.bid[3]
            if self.paid is not None and self.stop != at_open and last <= self.stop:
                self.sell(Event("stop", number, last), self.left)

    def path_after_entry(self, number: int, bar: Bar) -> list[str]:
        """Try to enter; the part of the candle that comes after, at worst."""
        plan = self.plan
        if plan.order != "MARKET" and plan.ends is not None and number >= plan.ends:
            return self.no_trade(Event("expired", number))
        if plan.order != "MARKET" and number == plan.leaves:
            return self.no_trade(Event("cancelled", number))
        if any(self.is_beyond(opened) for opened in (bar.bid[0], bar.ask[0])):
            self.flags.add("gapped")
            return self.no_trade(Event("cancelled", number))
        first, high, low, _ = bar.ask
        if plan.order == "MARKET":
            self.buy(number, first, is_open=True)
            return ["open", "low", "high"]
        if plan.order == "LIMIT":
            if low <= plan.entry:
                self.buy(number, plan.entry, is_open=first <= plan.entry)
            return ["low"]
        if first > plan.entry:
            self.flags.add("gapped")
            self.buy(number, first, is_open=True)
        elif high >= plan.entry:
            self.buy(number, plan.entry, is_open=first == plan.entry)
        return ["low", "high"]

    def is_beyond(self, price: Price) -> bool:
        """Whether `price` is not between the stop and the first target."""
        is_below = self.stop is not None and price <= self.stop
        return is_below or (bool(self.plan.targets) and price >= self.plan.targets[0])

    def no_trade(self, event: Event) -> list[str]:
        self.events.append(event)
        self.over = True
        return []

    def buy(self, number: int, price: Price, *, is_open: bool) -> None:
        self.events.append(Event("filled", number, price))
        self.paid = price
        stop = self.stop if is_open else self.moves.get(number, self.stop)  # a stop is moved after the open
        self.risk = None if stop is None else price - stop

    def walk(self, number: int, bar: Bar, path: list[str]) -> None:
        first, high, low, _ = bar.bid
        price_of = {"open": first, "low": low, "high": high}
        for step in path:
            price = price_of[step]
            if step in ("open", "low") and self.stop is not None and price <= self.stop:
                sold_at = price if step == "open" else self.stop
                if sold_at < self.stop:
                    self.flags.add("gapped")
                if self.to_come and high >= self.to_come[0][1]:
                    self.flags.add("both")
                self.sell(Event("stop", number, sold_at), self.left)
                return
            if step == "high":
                while self.to_come and price >= self.to_come[0][1] and not self.over:
                    target, level, share = self.to_come.pop(0)
                    self.sell(Event("target", number, level, target), share)

    def sell(self, event: Event, share: Fraction) -> None:
        assert event.price is not None
        assert self.paid is not None
        self.events.append(event)
        self.gained += share * (event.price - self.paid)
        self.left -= share
        self.over = self.left == 0

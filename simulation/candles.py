"""Draws the candles of a run's streams, and when a feed shows them: late, corrected, out of order, or never.

The times are written by hand from the market's week, without signalpost's calendars.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from signalpost import Candle, MAUnifiedConfig
from signalpost.domain.instant import utc
from signalpost.trading.calendar import ALWAYS, FX, Calendar

DAWNS = ("2025-10-30T05:20:00Z", "2025-03-06T05:20:00Z", "2025-08-21T05:20:00Z")
"""When a run can begin. In the first two, the clocks of New York change on its first weekend."""
WEEK = 132.0
"""Hours of a usual run: from Thursday to Tuesday."""
TO_A_CLOSE = 2400.0
"""Seconds from each of them to the next full hour."""
CALM = 2 * 3600.0
"""Seconds from the beginning in which nothing fails, so that it is known which candles are history."""
TIERS_OF_STRATEGIES = ("free", "premium", "vip")
_HISTORY = timedelta(days=14)
_PIECE = timedelta(minutes=15)
_LATE = (0.0, 0.0, 0.5, 4.0, 90.0)
_NEW_YORK = ZoneInfo("America/New_York")
_MOVES = (-40, -3, -2, -1, 0, 0, 1, 2, 3, 40)


Slots = dict[datetime, tuple[datetime, datetime]]
"""By the open of a candle: its close, and when a signal of it is no longer valid."""


class Made(NamedTuple):
    """A candle, and how a feed shows it."""

    candle: Candle
    shown: datetime
    """The true time from which the feed has it."""
    is_out_of_order: bool
    """The feed has the next one earlier."""
    draft: Candle | None = None
    """What the feed shows until `corrected`."""
    corrected: datetime | None = None


class Settled(NamedTuple):
    """A final candle by which trades are followed."""

    candle: Candle
    closes: datetime
    shown: datetime
    """The true time from which the feed has it."""


class Series(NamedTuple):
    """A stream and its candles, oldest first."""

    config: MAUnifiedConfig
    calendar: Calendar
    tiers: tuple[str, ...]
    candles: tuple[Made, ...]
    slots: Slots
    shows_forming: bool
    followed_by: str
    """The timeframe of the candles by which its trades are followed."""
    settled: tuple[Settled, ...]
    """These candles, oldest first, as the feed shows them: none before an earlier one, and none before it is final."""

    def visible(self, feed_time: datetime) -> tuple[list[Candle], datetime | None]:
        """The candles that the feed has at a time of its own, and the open of the one that is forming, if it says."""
        found = [
            made.draft if made.draft is not None and made.corrected is not None and feed_time < made.corrected
            else made.candle
            for made in self.candles if made.shown <= feed_time
        ]  # fmt: skip
        waits = next((made.candle.time for made in self.candles if made.shown > feed_time), None)
        is_forming = self.shows_forming and waits is not None and waits <= feed_time
        return found, waits if is_forming else None


def drawn_series(random: Random, dawn: str, hours: float) -> tuple[Series, ...]:
    """Draw the streams of a run: one that never closes, and two timeframes of the currencies' week."""
    began = utc(dawn, "dawn")
    first, last = began - _HISTORY, began + timedelta(hours=hours - 6)
    always = [
        first.replace(minute=0) + timedelta(hours=count) for count in range(int((last - first).total_seconds() // 3600))
    ]
    weekly, daily = (list(_of_the_week(first, last, local)) for local in ((1, 5, 9, 13, 17, 21), (17,)))
    made = (
        ("BTC/USDT", "H1", "M15", always, ALWAYS, ("free",)),
        ("EUR_USD", "H4", "M15", weekly, FX, ("free", "premium")),
        ("USD_JPY", "H4", "H4", weekly, FX, ("vip",)),
        ("GBP_USD", "D", "D", daily, FX, ("premium",)),
    )
    return tuple(_series(random, *each, began) for each in made)


def _of_the_week(first: datetime, last: datetime, hours: tuple[int, ...]) -> Iterator[datetime]:
    """The opens of candles from Sunday to Friday, 17:00 in New York, at these local hours."""
    for number in range(first.toordinal(), last.toordinal()):
        day = date.fromordinal(number)
        for hour in hours:
            is_open = hour >= 17 if day.weekday() == 6 else hour < 17 if day.weekday() == 4 else day.weekday() < 4
            if is_open:
                yield datetime(day.year, day.month, day.day, hour, tzinfo=_NEW_YORK).astimezone(UTC)


def _series(
    random: Random, pair: str, timeframe: str, followed_by: str, opens: list[datetime], calendar: Calendar,
    tiers: tuple[str, ...], began: datetime,
) -> Series:  # fmt: skip
    fast, slow = random.choice(((1, 2), (1, 3), (2, 3), (2, 5)))
    places = 3 if pair.endswith("JPY") else 5
    config = MAUnifiedConfig(pair=pair, timeframe=timeframe, fast=fast, slow=slow, atr_period=3, places=places)
    closes = [_close(opened, timeframe) for opened in opens]
    slots = {opened: (closes[number], closes[number + 1]) for number, opened in enumerate(opens[:-1])}
    made = tuple(_made(random, config, slots, began))
    shows_forming = random.random() < 0.5
    final = (_pieces if followed_by != timeframe else _wholes)(Random(f"{pair} {made[-1]}"), made, slots, began)
    return Series(
        config, calendar, tiers, made, slots, shows_forming, followed_by, tuple(_in_order(final))
    )  # fmt: skip


def _wholes(_: Random, made: Sequence[Made], slots: Slots, __: datetime) -> Iterator[Settled]:
    """The candles themselves, once they are final."""
    for each in made:
        yield Settled(each.candle, slots[each.candle.time][0], max(each.shown, each.corrected or each.shown))


def _pieces(random: Random, made: Sequence[Made], slots: Slots, began: datetime) -> Iterator[Settled]:
    """Candles of a part of the time each, with the same highest and lowest prices together."""
    for each in made:
        whole, (closes, _) = each.candle, slots[each.candle.time]
        if closes < began:
            continue
        count = int((closes - whole.time) / _PIECE)
        path = [random.choice((whole.low, whole.high, whole.open, whole.close)) for _ in range(count - 1)]
        path = [whole.open, *path, whole.close]
        for place, price in zip(random.sample(range(1, count), 2), (whole.low, whole.high), strict=True):
            path[place] = price
        for number, (first, last) in enumerate(pairwise(path)):
            opened = whole.time + number * _PIECE
            candle = Candle(time=opened, open=first, high=max(first, last), low=min(first, last), close=last)
            yield Settled(candle, opened + _PIECE, opened + _PIECE + timedelta(seconds=random.choice(_LATE)))


def _in_order(candles: Iterator[Settled]) -> Iterator[Settled]:
    last = datetime.min.replace(tzinfo=UTC)
    for each in candles:
        last = max(last, each.shown)
        yield each._replace(shown=last)


def _close(opened: datetime, timeframe: str) -> datetime:
    if timeframe == "D":
        return (opened.astimezone(_NEW_YORK) + timedelta(days=1)).astimezone(UTC)
    return opened + timedelta(hours=int(timeframe[1:]))


def _made(random: Random, config: MAUnifiedConfig, slots: Slots, began: datetime) -> Iterator[Made]:
    """Candles that follow each other; some are missing, late or corrected, none of them before the run begins."""
    price = 110_000
    rows: list[tuple[Candle, datetime]] = []
    for opened, (closed, _) in slots.items():
        before, price = price, max(1_000, price + random.choice(_MOVES))
        is_early = closed < began + timedelta(seconds=CALM)
        if is_early or random.random() > 0.04:
            high, low = max(before, price) + random.randint(0, 3), min(before, price) - random.randint(0, 3)
            late = 0.0 if is_early else random.choice((0.0, 0.0, 0.5, 4.0, 90.0, 1500.0))
            made = _candle(opened, config.places or 0, before, high, low, price)
            rows.append((made, closed + timedelta(seconds=late)))
    since_corrected = 0
    for number, (candle, shown) in enumerate(rows):
        following = [at for _, at in rows[number + 1 : number + 3]]
        is_quiet = len(following) < 2 or candle.time < began + timedelta(seconds=CALM)
        since_corrected += 1
        if is_quiet or random.random() > 0.2:
            yield Made(candle, shown, is_out_of_order=False)
        elif random.random() < 0.3:
            yield Made(candle, following[0] + timedelta(seconds=random.choice((1.0, 60.0))), is_out_of_order=True)
        elif since_corrected > 4:
            since_corrected = 0
            draft = candle.but(close=random.choice((candle.low, candle.high, candle.open)))
            yield Made(candle, shown, False, draft, max(shown, random.choice(following)))
        else:
            yield Made(candle, shown, is_out_of_order=False)


def _candle(opened: datetime, places: int, *ticks: int) -> Candle:
    prices = (Decimal(each).scaleb(-places) for each in ticks)
    return Candle(time=opened, **dict(zip(("open", "high", "low", "close"), prices, strict=True)))

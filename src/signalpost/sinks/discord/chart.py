"""Draws the chart of a signal as a PNG: candles, averages, and the levels that its readers may see.

It is drawn at twice its size, made smaller, and reduced to a palette: 800 x 450 pixels in about 12 KiB, with letters
that can be read on a phone. Pillow is imported when the first chart is drawn.
"""

import io
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from importlib.util import find_spec
from itertools import accumulate
from math import ceil, floor, log10
from typing import TYPE_CHECKING, NamedTuple

from signalpost.domain.candle import Candle
from signalpost.domain.exact import fixed
from signalpost.domain.side import SignalType
from signalpost.domain.tier import Hidden
from signalpost.domain.trade import Trade
from signalpost.errors import InvalidConfiguration
from signalpost.sinks.discord.cards.look import ChartTheme
from signalpost.sinks.discord.cards.view import View
from signalpost.sinks.discord.cards.wording import plain_name, price_text

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

WIDTH, HEIGHT = 800, 450
CANDLES = 80
"""The most that a chart shows."""
_SCALE = 2
_COLOURS = 64
_HEAD, _FOOT, _GAP = 42, 34, 10
"""Pixels above and below the candles, and around labels."""
_LETTERS, _SMALL_LETTERS = 21, 17
_LABEL = 26
"""Pixels from one label to the next."""
_FEWEST, _AFTER = 30, 4
"""The fewest places for candles, and the free places to the right of the last one."""
_TIMES = 4
_WIDEST_TIME = "00 Mmm 00:00  "
_GRID = 5
_REACH = 1.5
"""Times the range of the candles. A level further away from them has only a label at the edge."""
_TITLE = 30
_DAY = timedelta(days=1)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ENTRY, _STOP, _TARGET = {SignalType.BUY: "#1F73F9", SignalType.SELL: "#C56A00"}, "#C2183B", "#037A4E"
_AVERAGES = ("#E0A100", "#B05BE6")


class Level(NamedTuple):
    """A price with a name."""

    name: str
    price: Decimal
    text: str
    """The price with the decimals of its instrument."""
    colour: str


class Average(NamedTuple):
    """A moving average of closes: a value for each candle, None where it is not known."""

    period: int
    values: tuple[float | None, ...]


class Plan(NamedTuple):
    """All that a chart shows. It holds nothing that its readers may not see."""

    title: str
    is_long: bool
    candles: tuple[Candle, ...]
    averages: tuple[Average, ...]
    levels: tuple[Level, ...]
    places: int
    text: str
    """The picture's description, for people who cannot see it: the instrument, and the levels with their prices."""


class _Colours(NamedTuple):
    back: str
    front: str
    faint: str
    grid: str


_THEMES = {
    ChartTheme.DARK: _Colours("#2B2D31", "#E3E5E8", "#A0A5AD", "#3B3E45"),
    ChartTheme.LIGHT: _Colours("#FFFFFF", "#2E3338", "#5C636C", "#E3E5E8"),
}


def is_installed() -> bool:
    """True if charts can be drawn, because Pillow is installed."""
    return find_spec("PIL") is not None


def plan_of(trade: Trade, view: View, candles: Sequence[Candle], periods: Sequence[int] = ()) -> Plan:
    """The chart of `trade` as `view` may see it, up to the candle of its signal, with averages of these periods.

    `candles` are sorted by time. Those before the ones that are shown only count for the averages.
    """
    signal, name = trade.signal, plain_name(trade.signal.pair)
    before = [candle for candle in candles if candle.time <= signal.timestamp]
    shown = tuple(before[-CANDLES:])
    closes = [float(candle.close) for candle in before]
    timeframe = "" if signal.timeframe is None else f" · {signal.timeframe}"
    return Plan(
        f"{signal.signal_type} {name}{timeframe}"[:_TITLE],
        signal.signal_type is SignalType.BUY,
        shown,
        tuple(Average(each, _average(closes, each)[len(before) - len(shown) :]) for each in periods),
        _levels(trade, view),
        signal.price_places,
        _text(trade, view, len(shown)),
    )


def draw(plan: Plan, theme: ChartTheme) -> bytes:
    """Draw `plan`, which has candles, as a PNG. Raises InvalidConfiguration without Pillow."""
    try:
        from PIL import Image, ImageDraw
    except ImportError:
        text = "charts need Pillow: run pip install 'signalpost[chart]', or set chart = \"off\" in [cards]"
        raise InvalidConfiguration(text, code="missing-extra", field="cards.chart", limit="signalpost[chart]") from None
    colours = _THEMES[theme]
    image = Image.new("RGB", (WIDTH * _SCALE, HEIGHT * _SCALE), colours.back)
    _Drawing(ImageDraw.Draw(image), plan, colours).draw()
    small = image.reduce(_SCALE)
    file = io.BytesIO()
    small.quantize(_COLOURS, Image.Quantize.FASTOCTREE).save(file, "PNG")
    return file.getvalue()


def _text(trade: Trade, view: View, candles: int) -> str:
    signal = trade.signal
    levels = [f"entry {price_text(trade, trade.entry)}"]
    if trade.stop is not None and not view.hides(Hidden.STOP, trade):
        levels.append(f"stop {price_text(trade, trade.stop)}")
    if trade.targets and not view.hides(Hidden.TARGETS, trade):
        prices = ", ".join(price_text(trade, target.price) for target in trade.targets)
        levels.append(f"target{'s' if len(trade.targets) > 1 else ''} {prices}")
    *others, last = levels
    listed = f"{', '.join(others)} and {last}" if others else last
    timeframe = "" if signal.timeframe is None else f" {signal.timeframe}"
    return f"{plain_name(signal.pair)}{timeframe}, {candles} candles, with {listed}"


def _levels(trade: Trade, view: View) -> tuple[Level, ...]:
    """The levels that a reader may see: entry, stop and targets, unless they are hidden."""
    found = [("Entry", trade.entry, _ENTRY[trade.signal.signal_type])]
    if trade.stop is not None and not view.hides(Hidden.STOP, trade):
        found.append(("SL", trade.stop, _STOP))
    if not view.hides(Hidden.TARGETS, trade):
        found += [(f"TP{number}", each.price, _TARGET) for number, each in enumerate(trade.targets, start=1)]
    return tuple(Level(name, price, price_text(trade, price), colour) for name, price, colour in found)


def _average(closes: Sequence[float], period: int) -> tuple[float | None, ...]:
    sums = (0.0, *accumulate(closes))
    return tuple(None if at < period else (sums[at] - sums[at - period]) / period for at in range(1, len(closes) + 1))


class _Drawing:
    """Draws a plan: where each price and each candle goes, in pixels of the large image."""

    def __init__(self, image: "ImageDraw", plan: Plan, colours: _Colours) -> None:
        from PIL import ImageFont

        self._image, self._plan, self._colours = image, plan, colours
        self._font = ImageFont.load_default(_LETTERS * _SCALE)
        self._small = ImageFont.load_default(_SMALL_LETTERS * _SCALE)
        labels = [f"{each.name} {each.text}" for each in plan.levels]
        widest = max((self._font.getlength(each) for each in labels), default=0.0)
        self._low, self._high = _range_of(plan)
        self._grid = _round_prices(self._low, self._high)
        prices = [fixed(Decimal(repr(each)), plan.places) for each in self._grid]
        self._left = (max(map(self._small.getlength, prices), default=0.0)) + 2 * _GAP * _SCALE
        self._right = WIDTH * _SCALE - widest - 3 * _GAP * _SCALE
        self._top, self._bottom = _HEAD * _SCALE, (HEIGHT - _FOOT) * _SCALE
        places = max(len(plan.candles), _FEWEST)
        self._step = (self._right - self._left) / (places + _AFTER)
        self._free = places - len(plan.candles)

    def draw(self) -> None:
        """Draw everything, from the back to the front."""
        self._draw_grid()
        self._draw_times()
        for level in self._plan.levels:
            self._draw_line(level)
        for at, candle in enumerate(self._plan.candles):
            self._draw_candle(at, candle)
        for average, colour in zip(self._plan.averages, _AVERAGES, strict=False):
            points = [(self._x(at), self._y(value)) for at, value in enumerate(average.values) if value is not None]
            self._image.line(points, colour, 2 * _SCALE, joint="curve")
        self._draw_labels()
        self._draw_head()

    def _x(self, at: float) -> float:
        """The middle of a candle."""
        return self._left + (self._free + at + 0.5) * self._step

    def _y(self, price: float) -> float:
        """The height of a price; one beyond the range is at its edge."""
        share = (price - self._low) / (self._high - self._low)
        return self._bottom - min(1.0, max(0.0, share)) * (self._bottom - self._top)

    def _draw_grid(self) -> None:
        for price in self._grid:
            y = self._y(price)
            self._image.line([(self._left, y), (self._right, y)], self._colours.grid, _SCALE)
            text = fixed(Decimal(repr(price)), self._plan.places)
            where = (self._left - _GAP * _SCALE, y)
            self._image.text(where, text, self._colours.faint, self._small, anchor="rm")

    def _draw_times(self) -> None:
        y = self._bottom + _FOOT * _SCALE / 2
        candles = self._plan.candles
        apart, last = self._small.getlength(_WIDEST_TIME), float("-inf")
        for tick in range(_TIMES):
            at = round((tick + 0.5) * (len(candles) - 1) / _TIMES)
            x = self._x(at)
            if x - last < apart:
                continue
            last = x
            self._image.line([(x, self._top), (x, self._bottom)], self._colours.grid, _SCALE)
            text = _time_text(candles[at].time, candles[-1].time - candles[0].time)
            self._image.text((x, y), text, self._colours.faint, self._small, anchor="mm")
        self._image.text(((WIDTH - _GAP) * _SCALE, y), "UTC", self._colours.faint, self._small, anchor="rm")

    def _draw_candle(self, at: int, candle: Candle) -> None:
        """A candle that rose is hollow, and one that fell is filled, so they differ without colour."""
        x, half = self._x(at), max(_SCALE, self._step * 0.35)
        top, bottom = self._y(float(max(candle.open, candle.close))), self._y(float(min(candle.open, candle.close)))
        front = self._colours.front
        self._image.line([(x, self._y(float(candle.high))), (x, self._y(float(candle.low)))], front, _SCALE)
        fill = self._colours.back if candle.close >= candle.open else front
        self._image.rectangle([x - half, top, x + half, max(bottom, top + _SCALE)], fill, front, _SCALE)

    def _draw_line(self, level: Level) -> None:
        price = float(level.price)
        if self._low <= price <= self._high:
            y = self._y(price)
            self._image.line([(self._left, y), (self._right, y)], level.colour, 2 * _SCALE)

    def _draw_labels(self) -> None:
        """Labels at the height of their price, moved apart where they would overlap."""
        levels = sorted(self._plan.levels, key=lambda each: -each.price)
        wanted = [self._y(float(each.price)) for each in levels]
        half = _LABEL * _SCALE / 2 - _SCALE
        for level, exact, y in zip(levels, wanted, self._apart(wanted), strict=True):
            box = [self._right + 1.5 * _GAP * _SCALE, y - half, WIDTH * _SCALE, y + half]
            self._image.line([(self._right, exact), (box[0], y)], level.colour, 2 * _SCALE)
            self._image.rectangle(box, level.colour)
            where = (self._right + 2 * _GAP * _SCALE, y)
            self._image.text(where, f"{level.name} {level.text}", "#FFFFFF", self._font, anchor="lm")

    def _apart(self, wanted: Sequence[float]) -> list[float]:
        """The nearest places from top to bottom that are a label apart."""
        apart = _LABEL * _SCALE
        placed: list[float] = []
        for y in wanted:
            placed.append(max(y, placed[-1] + apart) if placed else max(y, self._top))
        lowest: float = self._bottom
        for at in reversed(range(len(placed))):
            placed[at] = min(placed[at], lowest)
            lowest = placed[at] - apart
        return placed

    def _draw_head(self) -> None:
        y, size = _HEAD * _SCALE / 2, _LETTERS * _SCALE / 3
        x = _GAP * _SCALE + size
        tip = -size if self._plan.is_long else size
        colour = self._plan.levels[0].colour
        self._image.polygon([(x - size, y - tip), (x + size, y - tip), (x, y + tip)], colour)
        self._image.text((x + 2 * size, y), self._plan.title, self._colours.front, self._font, anchor="lm")
        x = (WIDTH - _GAP) * _SCALE
        for average, colour in reversed(list(zip(self._plan.averages, _AVERAGES, strict=False))):
            text = f"MA {average.period}"
            self._image.text((x, y), text, self._colours.faint, self._small, anchor="rm")
            x -= self._small.getlength(text) + _GAP * _SCALE
            self._image.line([(x - 2 * _GAP * _SCALE, y), (x, y)], colour, 3 * _SCALE)
            x -= 4 * _GAP * _SCALE


def _range_of(plan: Plan) -> tuple[float, float]:
    """The lowest and the highest price that are drawn: of the candles, and of levels that are not far away."""
    low, high = float(min(each.low for each in plan.candles)), float(max(each.high for each in plan.candles))
    reach = max(high - low, abs(high) / 1000, 1e-12) * _REACH
    near = [price for each in plan.levels if low - reach <= (price := float(each.price)) <= high + reach]
    low, high = min([low, *near]), max([high, *near])
    edge = max(high - low, abs(high) / 1000, 1e-12) / 20
    return low - edge, high + edge


def _round_prices(low: float, high: float) -> list[float]:
    """A few round prices in a range, for its grid."""
    least = (high - low) / _GRID
    power = 10.0 ** floor(log10(least))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= least)
    return [each * step for each in range(ceil(low / step), floor(high / step) + 1)]


def _time_text(at: datetime, span: timedelta) -> str:
    """A time on the axis, as precise as the span of the candles needs."""
    day = f"{at.day} {_MONTHS[at.month - 1]}"
    if span > 300 * _DAY:
        return f"{_MONTHS[at.month - 1]} {at.year}"
    return day if span > 40 * _DAY else f"{day} {at:%H:%M}"

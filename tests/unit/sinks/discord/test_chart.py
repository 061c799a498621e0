"""A chart shows candles, averages and the levels that its readers may see, and nothing else."""

import io
import itertools
import sys
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from signalpost import InvalidConfiguration, Signal, UserTier
from signalpost.domain.candle import Candle
from signalpost.domain.life import opened
from signalpost.domain.tier import Hidden
from signalpost.domain.trade import Trade
from signalpost.sinks.discord import chart
from signalpost.sinks.discord.cards.look import ChartTheme
from signalpost.sinks.discord.cards.view import View
from signalpost.sinks.discord.chart import CANDLES, HEIGHT, WIDTH, draw, is_installed, plan_of
from tests.candles_before import candles_until
from tests.unit.sinks.discord.cards.lives import FX, trade

ALL_LEVELS = frozenset({Hidden.STOP, Hidden.TARGETS})


def pixels(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


def test_a_chart_is_a_small_picture_of_one_size() -> None:
    plan = plan_of(trade(1, FX), View(), candles_until(trade(1, FX).signal), (8, 21))
    for theme in (ChartTheme.DARK, ChartTheme.LIGHT):
        png = draw(plan, theme)
        picture = Image.open(io.BytesIO(png))
        assert (picture.format, picture.size, picture.mode) == ("PNG", (WIDTH, HEIGHT), "P")
        assert len(png) < 30_000
    dark, light = (pixels(draw(plan, theme)).getpixel((2, 2)) for theme in (ChartTheme.DARK, ChartTheme.LIGHT))
    assert (sum(dark) < 200, sum(light) > 700) == (True, True)  # type: ignore[arg-type]  # of three channels


def test_it_shows_80_candles_up_to_that_of_the_signal() -> None:
    signal = trade(1, FX).signal
    later = candles_until(signal.but(timestamp=signal.timestamp + timedelta(hours=12)), 120)
    plan = plan_of(trade(1, FX), View(), later)
    assert (len(plan.candles), plan.candles[-1].time, plan.averages) == (CANDLES, signal.timestamp, ())
    assert plan_of(trade(1, FX), View(), ()).candles == ()


def test_averages_are_of_the_closes_before_and_missing_where_there_are_too_few() -> None:
    candles = candles_until(trade(1, FX).signal, CANDLES + 2)
    fast, slow = plan_of(trade(1, FX), View(), candles, (2, 5)).averages
    closes = [candle.close for candle in candles]
    assert fast.values[0] == pytest.approx(float((closes[1] + closes[2]) / 2))
    assert [value is None for value in slow.values[:3]] == [True, True, False]
    assert slow.values[-1] == pytest.approx(float(sum(closes[-5:]) / 5))


def test_levels_are_named_with_the_decimals_of_their_instrument() -> None:
    plan = plan_of(trade(1042, FX), View(), candles_until(trade(1, FX).signal))
    assert [(each.name, each.text) for each in plan.levels] == [
        ("Entry", "1.08452"),
        ("SL", "1.07792"),
        ("TP1", "1.09112"),
        ("TP2", "1.09442"),
        ("TP3", "1.09772"),
    ]
    bare = trade(1, FX, stop_loss=None, targets=[])
    assert plan_of(bare, View(), candles_until(bare.signal)).text == "EUR/USD H4, 80 candles, with entry 1.08452"
    one = trade(1, FX, stop_loss=None, targets=["1.09112"])
    assert plan_of(one, View(), candles_until(one.signal)).text.endswith("entry 1.08452 and target 1.09112")


@pytest.mark.parametrize("hidden", [{Hidden.STOP}, {Hidden.TARGETS}, ALL_LEVELS])
def test_no_pixel_and_no_word_depends_on_a_hidden_level(hidden: set[Hidden]) -> None:
    other: dict[str, Any] = {}
    if Hidden.STOP in hidden:
        other["stop_loss"] = "1.08001"
    if Hidden.TARGETS in hidden:
        other["targets"] = ["1.08999", "1.09001"]
    view = View(hidden=frozenset(hidden))
    one, two = trade(1, FX), trade(1, FX, **other)
    candles = candles_until(one.signal)
    plans = [plan_of(each, view, candles, (8, 21)) for each in (one, two)]
    assert plans[0] == plans[1]
    assert draw(plans[0], ChartTheme.DARK) == draw(plans[1], ChartTheme.DARK)
    assert draw(plan_of(one, View(), candles), ChartTheme.DARK) != draw(plan_of(two, View(), candles), ChartTheme.DARK)


@dataclass
class Canvas:
    """Notes the boxes of what is drawn, in place of Pillow's."""

    boxes: list[tuple[float, float]]
    texts: list[str]

    def rectangle(self, box: list[float], fill: str, *_: Any) -> None:
        if fill in {"#1F73F9", "#C2183B", "#037A4E"}:
            self.boxes.append((box[1], box[3]))

    def text(self, _: Any, text: str, *__: Any, **___: Any) -> None:
        self.texts.append(text)

    def line(self, *_: Any, **__: Any) -> None:
        """Not of interest."""

    polygon = line


@settings(max_examples=25)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=10, unique=True), st.integers(1, 400))
def test_labels_never_overlap_and_stay_on_the_chart(steps: list[int], risk: int) -> None:
    price = Decimal("1.10000")
    pip = Decimal("0.00010")
    targets = [price + pip * step / 10 for step in sorted(steps)]
    one = trade(1, {**FX, "entry_price": price, "stop_loss": price - pip * risk / 10, "targets": targets})
    plan = plan_of(one, View(), candles_until(one.signal))
    canvas = Canvas([], [])
    chart._Drawing(canvas, plan, chart._THEMES[ChartTheme.DARK]).draw()  # type: ignore[arg-type]
    boxes = sorted(canvas.boxes)
    assert len(boxes) == len(plan.levels)
    assert all(above[1] < below[0] for above, below in itertools.pairwise(boxes))
    assert 0 <= boxes[0][0] < boxes[-1][1] <= HEIGHT * chart._SCALE
    assert {f"{each.name} {each.text}" for each in plan.levels} <= set(canvas.texts)


def scaled(factor: str, places: int, count: int = 90, *, gap: bool = False) -> tuple[Trade, tuple[Candle, ...]]:
    """A trade and its candles at another price level."""
    signal = trade(1, FX).signal
    unit = Decimal(1).scaleb(-places)
    candles = []
    for at, candle in enumerate(candles_until(signal, count)):
        shift = candle.high / 20 if gap and at > count // 2 else Decimal(0)
        prices = {
            name: ((getattr(candle, name) + shift) * Decimal(factor)).quantize(unit)
            for name in ("open", "high", "low", "close")
        }
        candles.append(Candle(time=candle.time, **prices))
    entry = candles[-1].close
    made = Signal(
        pair="BTC/USDT",
        timeframe="H4",
        signal_type="SELL",
        entry_price=entry,
        stop_loss=entry + entry / 8,
        targets=[entry - entry / 50, entry / 100],
        timestamp=signal.timestamp,
    )
    return opened(made, 1, (UserTier.FREE,), signal.known_at), tuple(candles)


@pytest.mark.parametrize(
    ("factor", "places", "count", "gap"),
    [("0.0000001", 12, 90, False), ("9999999", 1, 90, False), ("1", 5, 90, True), ("1", 5, 1, False)],
)
def test_any_price_and_any_history_can_be_drawn(factor: str, places: int, count: int, *, gap: bool) -> None:
    one, candles = scaled(factor, places, count, gap=gap)
    assert draw(plan_of(one, View(), candles, (3,)), ChartTheme.LIGHT).startswith(b"\x89PNG")


def test_flat_candles_can_be_drawn() -> None:
    signal = trade(1, FX, stop_loss=None, targets=[]).signal
    flat = Candle(time=signal.timestamp, open="1.1", high="1.1", low="1.1", close="1.1")
    one = opened(signal, 1, (UserTier.FREE,), signal.known_at)
    assert draw(plan_of(one, View(), [flat]), ChartTheme.DARK).startswith(b"\x89PNG")


@pytest.mark.parametrize(("timeframe", "times"), [("M5", ":"), ("D", " "), ("W", "20")])
def test_the_times_are_as_fine_as_the_candles_need(timeframe: str, times: str) -> None:
    signal = trade(1, FX).signal.but(timeframe=timeframe)
    one = opened(signal, 1, (UserTier.FREE,), signal.known_at)
    canvas = Canvas([], [])
    plan = plan_of(one, View(), candles_until(signal))
    chart._Drawing(canvas, plan, chart._THEMES[ChartTheme.DARK]).draw()  # type: ignore[arg-type]
    shown = [text for text in canvas.texts if any(month in text for month in chart._MONTHS)]
    assert len(shown) >= 3
    assert all(times in text for text in shown)
    assert "UTC" in canvas.texts


def test_without_pillow_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_installed()
    plan = plan_of(trade(1, FX), View(), candles_until(trade(1, FX).signal))
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(InvalidConfiguration) as caught:
        draw(plan, ChartTheme.DARK)
    (fault,) = caught.value.errors
    assert (fault.code, fault.field, fault.limit) == ("missing-extra", "cards.chart", "signalpost[chart]")

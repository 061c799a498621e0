"""Measures a chart: the plan and the picture of 80 candles, two averages and five levels, beside its own floor.

The floor makes the same picture smaller, reduces its colours and compresses it: what Pillow does after the last line.
"""

import io
from collections.abc import Iterator
from itertools import islice

from PIL import Image

from benchmarks.measure import seconds
from benchmarks.strategy import endless_candles
from benchmarks.table import Row
from signalpost import Signal, UserTier
from signalpost.domain.life import opened
from signalpost.sinks.discord.cards.look import ChartTheme
from signalpost.sinks.discord.cards.view import View
from signalpost.sinks.discord.chart import HEIGHT, WIDTH, draw, plan_of

TURNS = 20
PERIODS = (40, 140)


def rows() -> Iterator[Row]:
    """Run this benchmark."""
    candles = tuple(islice(endless_candles(), 240))
    entry = candles[-1].close
    signal = Signal(
        pair="EUR_USD",
        timeframe="H4",
        signal_type="BUY",
        entry_price=entry,
        stop_loss=entry - entry / 200,
        targets=[entry + entry / 200, entry + entry / 100, entry + entry / 50],
        timestamp=candles[-1].time,
    )
    trade = opened(signal, 1, (UserTier.FREE,), signal.known_at)
    png = draw(plan_of(trade, View(), candles, PERIODS), ChartTheme.DARK)
    large = Image.open(io.BytesIO(png)).convert("RGB").resize((2 * WIDTH, 2 * HEIGHT))

    def ours() -> None:
        for _ in range(TURNS):
            draw(plan_of(trade, View(), candles, PERIODS), ChartTheme.DARK)

    def floor() -> None:
        for _ in range(TURNS):
            large.reduce(2).quantize(64, Image.Quantize.FASTOCTREE).save(io.BytesIO(), "PNG")

    taken = seconds({"ours": ours, "floor": floor})
    drawn, bare = (taken[name] / TURNS * 1e3 for name in ("ours", "floor"))
    yield Row("a chart; beside making it smaller and compressing it", drawn, "ms", bare, drawn / bare)
    yield Row("its size", len(png) / 1024, "KiB", target="at most 30 KiB", holds=len(png) <= 30 * 1024)

"""The configurations with which each strategy is tested. Every strategy needs some."""

from importlib import import_module
from typing import Any

from signalpost import MAUnifiedConfig, Strategy
from signalpost.trading.strategies import STRATEGIES
from signalpost.trading.strategies.donchian import DonchianConfig

SAMPLES: dict[str, list[Any]] = {
    "ma-unified": [
        MAUnifiedConfig(pair="EUR_USD", timeframe="H4", fast=40, slow=140, min_atr="0.0002", min_rr="1.5"),
        MAUnifiedConfig(pair="GBP_JPY", timeframe="H4", fast=10, slow=70, atr="wilder", min_rr="1.5"),
        MAUnifiedConfig(pair="USD_CAD", timeframe="H4", fast=80, slow=50, inverted=True, confidence="0.85"),
        MAUnifiedConfig(pair="USD_JPY", timeframe="H4", fast=3, slow=7, atr_period=9, min_atr="0.2"),
        MAUnifiedConfig(pair="EUR_GBP", timeframe="H4", fast=1, slow=2, atr="wilder", atr_period=5, key="quick"),
        MAUnifiedConfig(pair="AUD_USD", timeframe="H4", fast=5, slow=2, inverted=True, atr="wilder", atr_period=3),
        MAUnifiedConfig(pair="GBP_USD", timeframe="H4", fast=2, slow=3, atr_period=1, tp_mult="2.999999999"),
    ],
    "donchian": [
        DonchianConfig(pair="EUR_USD", timeframe="H4", min_atr="0.0002", min_rr="1.5"),
        DonchianConfig(pair="USD_JPY", timeframe="H4", channel=5, atr="wilder", atr_period=7, confidence="0.85"),
    ],
}

QUICK: dict[str, list[Any]] = {
    "ma-unified": [
        MAUnifiedConfig(pair="EUR_USD", timeframe="H4", fast=2, slow=3, atr_period=2, min_rr="1.5"),
        MAUnifiedConfig(pair="EUR_USD", timeframe="H4", fast=1, slow=4, atr="wilder", atr_period=3, min_atr="0.00002"),
        MAUnifiedConfig(pair="EUR_USD", timeframe="H4", fast=5, slow=2, inverted=True, atr_period=1),
    ],
    "donchian": [
        DonchianConfig(pair="EUR_USD", timeframe="H4", channel=2, atr_period=2, min_rr="1.5"),
        DonchianConfig(pair="EUR_USD", timeframe="H4", channel=1, atr="wilder", atr_period=3, min_atr="0.00002"),
    ],
}
"""Configurations that are warm after a few dozen candles."""


def strategy(name: str, config: object) -> Strategy:
    """A new strategy of that name."""
    module, _, cls = STRATEGIES[name].partition(":")
    made: Strategy = getattr(import_module(module), cls)(config)
    return made

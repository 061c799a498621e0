"""Strategies by name. A new one needs one file and one line here; the contract tests pick it up automatically."""

STRATEGIES = {
    "ma-unified": "signalpost.trading.strategies.ma_unified:MAUnifiedStrategy",
    "donchian": "signalpost.trading.strategies.donchian:DonchianStrategy",
}
"""The path of each strategy's class, which is imported when first used."""
USUAL_STRATEGY = "ma-unified"

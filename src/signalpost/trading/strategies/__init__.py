"""Strategies by name. A new one needs one file and one line here; the contract tests pick it up automatically."""

STRATEGIES = {
    "ma-unified": "signalpost.trading.strategies.ma_unified:MAUnifiedStrategy",
}
"""The path of each strategy's class, which is imported when first used."""
USUAL_STRATEGY = "ma-unified"

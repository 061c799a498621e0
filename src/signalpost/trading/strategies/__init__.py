"""Strategies by name. A new one is one file and one line here; the contract tests find it by themselves."""

STRATEGIES = {
    "ma-unified": "signalpost.trading.strategies.ma_unified:MAUnifiedStrategy",
}
"""Where each strategy's class is, loaded when it is used."""

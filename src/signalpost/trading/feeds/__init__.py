"""Sources of candles: closed ones only, oldest first, each once.

A new feed needs one file and one line here, and a case in the contract tests.
"""

FEEDS = {
    "ccxt": "signalpost.trading.feeds.exchange:ExchangeFeed",
    "folder": "signalpost.trading.feeds.folder:FolderFeed",
    "oanda": "signalpost.trading.feeds.oanda:OandaFeed",
    "replay": "signalpost.trading.feeds.replay:ReplayFeed",
}
"""The path of each feed's class, which is imported when first used."""

TIMEFRAMES = {
    "oanda": (
        *("S5", "S10", "S15", "S30"),
        *("M1", "M2", "M4", "M5", "M10", "M15", "M30"),
        *("H1", "H2", "H3", "H4", "H6", "H8", "H12", "D", "W"),
    ),
}
"""The lengths of candles of the feeds that have only some, and always the same."""

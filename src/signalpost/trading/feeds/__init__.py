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

"""What ships for tests: the contracts that every strategy, and later every sink, store and feed, must pass."""

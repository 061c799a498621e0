"""What ships for tests: clocks and loops of one's own making, and the contracts of strategies, sinks and outboxes."""

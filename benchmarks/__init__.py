"""Measures the cost of signalpost as ratios to a floor or a peer in the same run. See docs/benchmarks.md."""

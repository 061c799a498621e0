"""The easy layer: one line in any strategy, from async code, from threads or from a script without a loop."""

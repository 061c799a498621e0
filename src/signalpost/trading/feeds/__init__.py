"""Where candles come from: oldest first, each closed, each once."""

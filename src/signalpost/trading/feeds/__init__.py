"""Sources of candles: closed ones only, oldest first, each once."""

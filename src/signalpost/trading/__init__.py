"""Makes signals: candles in, signals out, exact to the last digit."""

"""Computes signals from candles, exact to the last digit."""

"""Ticks with 64 binary places after the point, for averages that do not divide evenly; the same on every machine."""

ONE = 1 << 64
"""One tick."""


def half_even(dividend: int, divisor: int) -> int:
    """`dividend` / `divisor` (above zero), rounded to the nearest integer, ties to even."""
    whole, rest = divmod(dividend, divisor)
    twice = rest + rest
    return whole + (twice > divisor or (twice == divisor and whole & 1))

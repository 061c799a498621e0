"""Ticks with 64 binary places after the point: averages that never divide evenly, the same on every machine."""

ONE = 1 << 64
"""One tick."""


def half_even(dividend: int, divisor: int) -> int:
    """`dividend` / `divisor`, which is above zero, rounded to the nearest whole number, ties to the even one."""
    whole, rest = divmod(dividend, divisor)
    twice = rest + rest
    return whole + (twice > divisor or (twice == divisor and whole & 1))

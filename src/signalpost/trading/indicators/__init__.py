"""Indicators on integer ticks: constant work per value, no look-ahead, `None` until warm.

They use integer ticks so that sums do not drift and ties are exact. Each can save its state as plain data (`snapshot`)
and continue from it later (`restore`).
"""

"""Indicators on integer ticks: one value in, constant work, never a look ahead; `None` until warm.

Each takes prices as whole ticks, so that sums do not drift and ties are ties. Each can be written down as plain data
(`snapshot`) and taken up again (`restore`) as if it had never stopped.
"""

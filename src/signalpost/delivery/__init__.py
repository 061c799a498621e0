"""Accepts notifications, saves them, and delivers each in order and in time."""

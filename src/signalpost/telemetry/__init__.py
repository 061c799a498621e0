"""Listeners: they hear what happened, and write it into a log or count it. Nothing waits for them."""

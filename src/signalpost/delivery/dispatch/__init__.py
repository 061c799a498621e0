"""Sends the deliveries that wait in the outbox, and settles each with its outcome.

A lane is one destination. Its workers wait until its gate allows a message, and only then lease one, so that priority
is decided at the last moment. A sink returns a receipt or evidence, `decide` turns that into a verdict, and the outbox
saves it. The dispatcher starts, wakes, drains and stops the lanes.
"""

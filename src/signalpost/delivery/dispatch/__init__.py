"""Takes what waits in the outbox to its sink, and settles what became of it.

A lane is one destination: its senders wait until its breaker and its pace allow a message, and only then lease one, so
that priority is decided at the last moment. A sink says what it knows, `decide` says what follows, and the outbox
writes it down. The dispatcher starts, wakes, drains and stops the lanes.
"""

"""One thread with its own event loop and its own service, for callers who have neither: see `owner.owner`.

Callers only hand over, so it is all the same whether they run a loop, which one, or none. See
docs/why/0019-one-owner-thread.md.
"""

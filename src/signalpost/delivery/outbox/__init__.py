"""The durable queue: what was accepted waits here until it is settled."""

STORES = {
    "memory": "signalpost.delivery.outbox.memory:MemoryCore",
    "sqlite": "signalpost.delivery.outbox.sqlite:SqliteCore",
}
"""Where each store's core is, loaded when it is used."""

"""The durable queue: what was accepted waits here until it is settled."""

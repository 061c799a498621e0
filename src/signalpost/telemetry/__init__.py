"""Listeners that log and count events. Delivery never waits for them."""

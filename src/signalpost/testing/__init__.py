"""Test tools for users: clocks, a virtual event loop, and contract tests for strategies, sinks and outboxes."""

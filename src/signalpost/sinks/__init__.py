"""The far ends: each sends messages to one kind of place, and says what it knows about the outcome."""

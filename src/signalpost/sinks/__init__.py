"""The far ends: each sends messages to one kind of place, and says what it knows about the outcome.

A new one is one file and one line here; the contract tests find it by themselves.
"""

SINKS = {
    "discord": "signalpost.sinks.discord.webhook:DiscordWebhook",
}
"""Where each sink's class is, loaded when it is used."""

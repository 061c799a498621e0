"""Sinks: each sends messages to one kind of destination and reports the outcome.

To add a sink, write its module and add a line here; the contract tests pick it up from this table.
"""

SINKS = {
    "discord": "signalpost.sinks.discord.webhook:DiscordWebhook",
}
"""The import path of each sink's class, loaded on first use."""

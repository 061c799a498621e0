"""Logs a command that failed for a reason of its own, and makes the error for its caller."""

from typing import Any

from signalpost.delivery.outbox.commands import Command
from signalpost.errors import CommandFailed
from signalpost.telemetry.failures import log_failure


def command_failed(command: Command[Any], fault: Exception) -> CommandFailed:
    """Log why a command failed, with the frames of `fault`, and return the error for its caller."""
    name = type(command).__name__
    log_failure(f"the store works, but a command ({name}) cannot be carried out", fault)
    if isinstance(fault, CommandFailed):
        return CommandFailed.of_all(fault.errors)
    return CommandFailed(f"{name} failed ({type(fault).__name__})", field="command", value=name)

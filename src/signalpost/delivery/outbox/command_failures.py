"""Logs a command that failed for a reason of its own, and makes the error for its caller."""

from typing import Any

from signalpost.delivery.outbox.commands import Command
from signalpost.errors import CommandFailed
from signalpost.telemetry.failures import log_failure


def command_failed(command: Command[Any], fault: Exception) -> CommandFailed:
    """Log why a command failed, with the frames of `fault`, and return the error for its caller."""
    name = type(command).__name__
    log_failure(f"the store works, but a command ({name}) cannot be carried out", fault)
    text = str(fault) if isinstance(fault, CommandFailed) else f"{name} failed ({type(fault).__name__})"
    return CommandFailed(text)

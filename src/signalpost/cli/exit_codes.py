"""Ends failed commands with an error line on standard error and a documented exit code.

Errors of signalpost say what to do. For an unexpected error only its type and place are shown, because its text may
contain a secret; `--debug` shows all of it with secrets masked.
"""

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from signalpost.cli.output import clean, say, say_errors
from signalpost.cli.standard_streams import discard_output
from signalpost.errors import Fault, SignalpostError, StoreFailed, StoreUnusable
from signalpost.secret import redacted

UNWRITABLE = 1
"""Exit code: the output cannot be written."""

BAD_INPUT = 2
"""Exit code: bad input or configuration."""

STORE_UNUSABLE = 3
"""Exit code: the outbox cannot be opened or used."""

BROKEN = 4
"""Exit code: an internal error of signalpost."""

INTERRUPTED = 130
"""Exit code: Ctrl-C, as shells report it."""


class _Failure(click.ClickException):
    """Ends a command with one line per fault on standard error."""

    def __init__(self, faults: Sequence[Fault], exit_code: int) -> None:
        super().__init__("\n".join(clean(redacted(each.text)) for each in faults))
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: Any = None) -> None:  # noqa: ARG002  # click's signature
        from rich.console import Console
        from rich.text import Text

        # Rich, because click does not support NO_COLOR.
        label = Text.assemble(("error:", "bold red"), " ", self.format_message())
        Console(stderr=True, highlight=False).print(label, soft_wrap=True)


def exit_with(fault: BaseException, *, debug: bool, as_json: bool) -> NoReturn:
    """Raise the exception with which click ends the command: with an error line or silently.

    With `as_json`, the errors are also printed to standard output as one JSON object.
    """
    match fault:
        case click.exceptions.Exit():
            raise fault
        case click.ClickException():
            raise _cleaned(_reported(fault, [_of_usage(fault)], as_json=as_json))
        case StoreUnusable() | StoreFailed():
            raise _reported(_Failure(fault.errors, STORE_UNUSABLE), fault.errors, as_json=as_json) from fault
        case SignalpostError():
            raise _reported(_Failure(fault.errors, BAD_INPUT), fault.errors, as_json=as_json) from fault
        case click.Abort() if not isinstance(fault.__context__, KeyboardInterrupt):
            raise fault
        case KeyboardInterrupt() | click.Abort():
            say(err=True)  # a new line after the ^C in the terminal
            raise click.exceptions.Exit(INTERRUPTED) from fault
        case BrokenPipeError():  # the reader closed the pipe; click exits silently
            raise fault
        case OSError() if _is_of_printing(fault):
            discard_output()
            unwritable = Fault("not-writable", f"cannot write to standard output ({fault.strerror})")
            raise _Failure([unwritable], UNWRITABLE) from fault
        case _:
            if debug:
                say(*redacted("".join(traceback.format_exception(fault))).splitlines(), err=True)
            internal = Fault("internal-fault", _internal(fault))
            raise _reported(_Failure([internal], BROKEN), [internal], as_json=as_json) from fault


ClickError = TypeVar("ClickError", bound=click.ClickException)


def _reported(error: ClickError, faults: Sequence[Fault], *, as_json: bool) -> ClickError:
    """Print the faults as JSON if requested, and return `error`, which prints its line when it is raised."""
    if as_json:
        say_errors(faults)
    return error


def _of_usage(fault: click.ClickException) -> Fault:
    """Convert a usage error of click to a fault."""
    parameter = getattr(fault, "param", None)
    field = getattr(fault, "option_name", None)
    if isinstance(parameter, click.Parameter):
        field = (parameter.opts or [parameter.name])[0]
    return Fault(_usage_code(fault), fault.format_message(), field)


def _usage_code(fault: click.ClickException) -> str:
    match fault:
        case click.MissingParameter():
            return "missing"
        case click.NoSuchOption():
            return "unknown-option"
        case click.BadParameter():
            return "invalid-value"
        case _:
            return "usage"


def _cleaned(fault: ClickError) -> ClickError:
    """Escape control characters in the message, which repeats user input."""
    fault.message = "\n".join(map(clean, fault.message.splitlines()))  # type: ignore[misc]  # click reads it late
    return fault


def _is_of_printing(fault: OSError) -> bool:
    *_, (last, _) = traceback.walk_tb(fault.__traceback__)
    return last.f_globals["__name__"] in {"click.utils", "rich.console"}


def _internal(fault: BaseException) -> str:
    last = traceback.extract_tb(fault.__traceback__)[-1]
    return (
        f"internal error: {type(fault).__name__} in {Path(last.filename).name}, line {last.lineno}. Please report it, "
        "with the output of `signalpost --debug` and the same command; secrets are masked there"
    )

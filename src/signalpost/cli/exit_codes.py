"""How a command ends that does not end well: one clear line on standard error, and an exit code that means something.

What signalpost raises on purpose says itself what to do. Of a fault nobody foresaw, only its kind and place are told:
its text may hold a secret. `--debug` shows the whole of it, with the secrets masked.
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
"""Exit code: what was done cannot be printed."""

BAD_INPUT = 2
"""Exit code: bad input or configuration."""

STORE_UNUSABLE = 3
"""Exit code: the outbox cannot be opened or used."""

BROKEN = 4
"""Exit code: a fault of signalpost itself."""

INTERRUPTED = 130
"""Exit code: Ctrl-C, as shells count it."""


class _Failure(click.ClickException):
    """Ends a command with a line for each fault on standard error."""

    def __init__(self, faults: Sequence[Fault], exit_code: int) -> None:
        super().__init__("\n".join(clean(redacted(each.text)) for each in faults))
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: Any = None) -> None:  # noqa: ARG002  # click's signature
        from rich.console import Console
        from rich.text import Text

        # Rich, because click knows nothing of NO_COLOR.
        label = Text.assemble(("error:", "bold red"), " ", self.format_message())
        Console(stderr=True, highlight=False).print(label, soft_wrap=True)


def exit_with(fault: BaseException, *, debug: bool, as_json: bool = False) -> NoReturn:
    """Raise what makes click end the command as `fault` demands: told in a line, or quietly.

    With `as_json` the errors are printed to standard output as well, as one JSON object.
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
            say(err=True)  # below the ^C that the terminal shows
            raise click.exceptions.Exit(INTERRUPTED) from fault
        case BrokenPipeError():  # whoever read the output has seen enough; click ends quietly
            raise fault
        case OSError() if _is_of_printing(fault):
            discard_output()
            told = Fault("not-writable", f"standard output cannot be written ({fault.strerror})")
            raise _Failure([told], UNWRITABLE) from fault
        case _:
            if debug:
                say(*redacted("".join(traceback.format_exception(fault))).splitlines(), err=True)
            told = Fault("internal-fault", _of_our_own(fault))
            raise _reported(_Failure([told], BROKEN), [told], as_json=as_json) from fault


ClickError = TypeVar("ClickError", bound=click.ClickException)


def _reported(ending: ClickError, faults: Sequence[Fault], *, as_json: bool) -> ClickError:
    """`ending`, once the faults are printed as JSON if that is wanted; its line for people comes when it is raised."""
    if as_json:
        say_errors(faults)
    return ending


def _of_usage(fault: click.ClickException) -> Fault:
    """A fault in how the command was called, as click says it."""
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
    """`fault` with a message that is cleaned: it repeats what was given."""
    fault.message = "\n".join(map(clean, fault.message.splitlines()))  # type: ignore[misc]  # click reads it late
    return fault


def _is_of_printing(fault: OSError) -> bool:
    *_, (last, _) = traceback.walk_tb(fault.__traceback__)
    return last.f_globals["__name__"] in {"click.utils", "rich.console"}


def _of_our_own(fault: BaseException) -> str:
    last = traceback.extract_tb(fault.__traceback__)[-1]
    return (
        f"signalpost has a fault: {type(fault).__name__} in {Path(last.filename).name}, line {last.lineno}. Please "
        "report it with what `signalpost --debug` and the same command print: secrets are masked there"
    )

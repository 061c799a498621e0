"""How a command ends that does not end well: one clear line on standard error, and an exit code that means something.

What signalpost raises on purpose says itself what to do. Of a fault nobody foresaw, only its kind and place are told:
its text may hold a secret. `--debug` shows the whole of it, with the secrets masked.
"""

import traceback
from pathlib import Path
from typing import Any, NoReturn

import click

from signalpost.cli.standard_streams import discard_output
from signalpost.errors import SignalpostError, StoreFailed, StoreUnusable
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


class _Told(click.ClickException):
    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: Any = None) -> None:  # noqa: ARG002  # click's signature
        from rich.console import Console
        from rich.text import Text

        # Rich, because click knows nothing of NO_COLOR.
        label = Text.assemble(("error:", "bold red"), " ", self.format_message())
        Console(stderr=True, highlight=False).print(label, soft_wrap=True)


def end(fault: BaseException, *, debug: bool) -> NoReturn:
    """Raise what makes click end the command as `fault` demands: told in a line, or quietly."""
    match fault:
        case click.ClickException() | click.exceptions.Exit():
            raise fault
        case StoreUnusable() | StoreFailed():
            raise _Told(redacted(str(fault)), STORE_UNUSABLE) from fault
        case SignalpostError():
            raise _Told(redacted(str(fault)), BAD_INPUT) from fault
        case click.Abort() if not isinstance(fault.__context__, KeyboardInterrupt):
            raise fault
        case KeyboardInterrupt() | click.Abort():
            click.echo(err=True)  # below the ^C that the terminal shows
            raise click.exceptions.Exit(INTERRUPTED) from fault
        case BrokenPipeError():  # whoever read the output has seen enough; click ends quietly
            raise fault
        case OSError() if _is_of_printing(fault):
            discard_output()
            raise _Told(f"standard output cannot be written ({fault.strerror})", UNWRITABLE) from fault
        case _:
            if debug:
                click.echo(redacted("".join(traceback.format_exception(fault))), err=True, nl=False)
            raise _Told(_of_our_own(fault), BROKEN) from fault


def _is_of_printing(fault: OSError) -> bool:
    *_, (last, _) = traceback.walk_tb(fault.__traceback__)
    return last.f_globals["__name__"] in {"click.utils", "rich.console"}


def _of_our_own(fault: BaseException) -> str:
    last = traceback.extract_tb(fault.__traceback__)[-1]
    return (
        f"signalpost has a fault: {type(fault).__name__} in {Path(last.filename).name}, line {last.lineno}. Please "
        "report it with what `signalpost --debug` and the same command print: secrets are masked there"
    )

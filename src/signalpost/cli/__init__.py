"""The command line: `signalpost COMMAND`, a file a command, loaded when it is used."""

from importlib import import_module
from typing import Any

import click

from signalpost import __version__
from signalpost.errors import SignalpostError, StoreFailed, StoreUnusable
from signalpost.secret import redacted

BAD_INPUT = 2
"""Exit code: bad input or configuration."""

STORE_UNUSABLE = 3
"""Exit code: the outbox cannot be opened or used."""

_MODULE_BY_COMMAND = {
    "demo": "signalpost.cli.demo",
    "deliveries": "signalpost.cli.deliveries",
    "publish": "signalpost.cli.publish",
    "replay": "signalpost.cli.replay",
    "sandbox": "signalpost.cli.sandbox",
    "serve": "signalpost.cli.serve",
}
"""Where each command is: a function of the command's name in that module."""


class _Refused(click.ClickException):
    def __init__(self, fault: SignalpostError) -> None:
        super().__init__(redacted(str(fault)))
        self.exit_code = STORE_UNUSABLE if isinstance(fault, StoreUnusable | StoreFailed) else BAD_INPUT  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: Any = None) -> None:
        label = click.style("error:", fg="red", bold=True)
        click.echo(f"{label} {self.format_message()}", file=file, err=True)


class _Commands(click.Group):
    """Loads a command when it is asked for, and turns signalpost's own errors into clear lines and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(_MODULE_BY_COMMAND)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        if cmd_name not in _MODULE_BY_COMMAND:
            return None
        command: click.Command = getattr(import_module(_MODULE_BY_COMMAND[cmd_name]), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SignalpostError as fault:
            raise _Refused(fault) from fault


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="""
    \b
    Start here:
      signalpost demo                 the main job on real candles, delivered to a local Discord
      signalpost replay --help        your own candles and periods
      signalpost sandbox              a local Discord to try your own bot against

    \b
    Exit codes: 0 done; 1 refused, or something undelivered; 2 bad input or configuration; 3 store unusable.
    """,
)
@click.version_option(__version__, prog_name="signalpost")
def main() -> None:
    """Trading signals and system alerts to Discord: exact, written down first, and in time."""

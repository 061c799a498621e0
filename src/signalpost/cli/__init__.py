"""The command line: `signalpost COMMAND`, a file a command, loaded when it is used."""

from importlib import import_module
from typing import Any

import click

from signalpost import __version__
from signalpost.cli.output import JSON
from signalpost.cli.standard_streams import mend

_MODULE_BY_COMMAND = {
    "backup": "signalpost.cli.backup",
    "check": "signalpost.cli.check",
    "completion": "signalpost.cli.completion",
    "demo": "signalpost.cli.demo",
    "deliveries": "signalpost.cli.deliveries",
    "destinations": "signalpost.cli.destinations",
    "health": "signalpost.cli.health",
    "publish": "signalpost.cli.publish",
    "purge": "signalpost.cli.purge",
    "replay": "signalpost.cli.replay",
    "sandbox": "signalpost.cli.sandbox",
    "serve": "signalpost.cli.serve",
    "tokens": "signalpost.cli.tokens",
}
"""Where each command is: a function of the command's name in that module."""


class _Commands(click.Group):
    """Loads a command when it is asked for, and ends each as `exit_codes` says."""

    def main(self, *args: Any, **extra: Any) -> Any:
        mend()
        return super().main(*args, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            ctx.meta[JSON] = "--json" in args  # until the command's own option says so: a wrong one comes before it
            return super().parse_args(ctx, args)
        except (OSError, click.ClickException) as fault:  # of writing the help or the version; of an unknown option
            from signalpost.cli.exit_codes import exit_with

            exit_with(fault, debug=False, as_json=ctx.meta[JSON])

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(_MODULE_BY_COMMAND)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        if cmd_name not in _MODULE_BY_COMMAND:
            return None
        command: click.Command = getattr(import_module(_MODULE_BY_COMMAND[cmd_name]), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _MODULE_BY_COMMAND and not args[0].startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}.{_nearest(args[0])}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BaseException as fault:  # Ctrl-C is one
            if isinstance(fault, SystemExit):
                raise
            from signalpost.cli.exit_codes import exit_with

            exit_with(fault, debug=ctx.params["debug"], as_json=ctx.meta.get(JSON, False))


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, _MODULE_BY_COMMAND)
    return f" Did you mean {' or '.join(repr(each) for each in near)}?" if near else ""


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="""
    \b
    Start here:
      signalpost demo                 the main job on real candles, delivered to a local Discord
      signalpost replay --help        your own candles and periods
      signalpost sandbox              a local Discord to try your own bot against
      signalpost destinations test    whether your webhooks work
      signalpost deliveries why ID    what became of a signal, and what comes next

    \b
    Exit codes: 0 done; 1 refused, or something undelivered; 2 bad input or configuration; 3 store unusable;
    4 a fault of signalpost itself; 130 Ctrl-C.
    """,
)
@click.version_option(__version__, prog_name="signalpost")
@click.option("--debug", is_flag=True, help="Show the traceback of an unforeseen fault, its secrets masked.")
def main(debug: bool) -> None:
    """Trading signals and system alerts to Discord: exact, written down first, and in time."""

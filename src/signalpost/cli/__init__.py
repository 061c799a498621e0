"""The command line: `signalpost COMMAND`. Each command is a module that is loaded when it is used."""

from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from signalpost import __version__
from signalpost.cli.output import JSON
from signalpost.cli.standard_streams import prepare_streams

_HELP_BY_COMMAND = {
    "backup": "Copy the store, even while a service runs.",
    "check": "Show the configuration and what is wrong with it.",
    "completion": "Print the script that completes commands in your shell.",
    "demo": "Run the strategies on real candles, delivered to a local Discord.",
    "deliveries": "List, explain, revive and cancel deliveries.",
    "destinations": "List destinations and test their webhooks.",
    "feeds": "Test the feeds of candles.",
    "health": "Report the health of the process that delivers.",
    "preview": "Show messages before anybody sees them.",
    "publish": "Send one signal, alert, announcement, status report or analysis.",
    "purge": "Delete old notifications.",
    "replay": "Run a strategy on candle files.",
    "sandbox": "Run a local Discord and watch the messages.",
    "serve": "Run the service and its HTTP API until stopped.",
    "signals": "List, show, export, change and close signals.",
    "strategies": "Show the last candle and the last signal of each strategy.",
    "tokens": "Create, list and revoke tokens of the HTTP API.",
}
"""Each command is the function of this name in the module of this name. The help loads none of them."""


class _Commands(click.Group):
    """Loads a command when it is used, and ends it with one of `exit_codes`."""

    def main(self, *args: Any, **extra: Any) -> Any:
        prepare_streams()
        return super().main(*args, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            ctx.meta[JSON] = "--json" in args  # until the option itself is parsed, for errors before that
            return super().parse_args(ctx, args)
        except (OSError, click.ClickException) as fault:  # the help cannot be written; an unknown option
            from signalpost.cli.exit_codes import exit_with

            exit_with(fault, debug=False, as_json=ctx.meta[JSON])

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(_HELP_BY_COMMAND)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's
        with formatter.section("Commands"):
            formatter.write_dl(list(_HELP_BY_COMMAND.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        commands = (CompletionItem(name, help=text) for name, text in _HELP_BY_COMMAND.items())
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*(each for each in commands if each.value.startswith(incomplete)), *options]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        if cmd_name not in _HELP_BY_COMMAND:
            return None
        command: click.Command = getattr(import_module(f"signalpost.cli.{cmd_name}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _HELP_BY_COMMAND and not args[0].startswith("-") and not ctx.resilient_parsing:
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

    near = get_close_matches(name, _HELP_BY_COMMAND)
    return f" Did you mean {' or '.join(repr(each) for each in near)}?" if near else ""


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="""
    \b
    Start here:
      signalpost demo                 strategies on real candles, delivered to a local Discord
      signalpost replay --help        run a strategy on your own candles
      signalpost sandbox              a local Discord to test your bot against
      signalpost destinations test    test your webhooks
      signalpost preview              your messages, before anybody sees them
      signalpost signals list         the signals you published, and their results
      signalpost deliveries why ID    what happened to a signal, and what happens next

    \b
    Exit codes: 0 done; 1 refused or not delivered; 2 bad input or configuration; 3 store unusable;
    4 internal error; 130 Ctrl-C.
    """,
)
@click.version_option(__version__, prog_name="signalpost")
@click.option("--debug", is_flag=True, help="Show the traceback of an internal error, with secrets masked.")
def main(debug: bool) -> None:
    """Deliver trading signals and system alerts to Discord. Each is saved to disk before it is confirmed."""

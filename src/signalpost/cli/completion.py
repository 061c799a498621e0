"""`signalpost completion`: the script with which a shell completes signalpost's commands and options."""

import click

from signalpost.cli.output import say_as_it_is


@click.command(
    short_help="Print the script that completes commands in your shell.",
    epilog="""
    \b
    Install it once, and open a new shell:
      bash   signalpost completion bash > ~/.signalpost-complete.bash
             echo '. ~/.signalpost-complete.bash' >> ~/.bashrc
      zsh    signalpost completion zsh > ~/.signalpost-complete.zsh
             echo '. ~/.signalpost-complete.zsh' >> ~/.zshrc
      fish   signalpost completion fish > ~/.config/fish/completions/signalpost.fish

    \b
    Or try it in this shell only:
      eval "$(signalpost completion bash)"
    """,
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL: bash (4.4 or newer), zsh or fish.

    Then `signalpost del` and the Tab key give `signalpost deliveries`.
    """
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    classes = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
    script = classes[shell](ctx.find_root().command, {}, "signalpost", "_SIGNALPOST_COMPLETE")
    # Put together here, because click's own `source` first runs a bash to learn its version.
    say_as_it_is(f"{script.source_template % script.source_vars()}\n")

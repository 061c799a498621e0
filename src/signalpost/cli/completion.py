"""`signalpost completion`: prints the script that completes commands and options in a shell."""

import click

from signalpost.cli.output import say_as_it_is


@click.command(
    epilog="""
    \b
    Install it once, then open a new shell:
      bash   signalpost completion bash > ~/.signalpost-complete.bash
             echo '. ~/.signalpost-complete.bash' >> ~/.bashrc
      zsh    signalpost completion zsh > ~/.signalpost-complete.zsh
             echo '. ~/.signalpost-complete.zsh' >> ~/.zshrc
      fish   signalpost completion fish > ~/.config/fish/completions/signalpost.fish

    \b
    Or use it in this shell only:
      eval "$(signalpost completion bash)"
    """,
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL: bash (4.4 or newer), zsh or fish.

    Then `signalpost del` and Tab complete to `signalpost deliveries`.
    """
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    classes = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
    script = classes[shell](ctx.find_root().command, {}, "signalpost", "_SIGNALPOST_COMPLETE")
    # Not click's own `source`, which first runs bash to find its version.
    say_as_it_is(f"{script.source_template % script.source_vars()}\n")

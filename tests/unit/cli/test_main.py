import re

import click
import pytest
from click.testing import CliRunner

import signalpost
from signalpost.cli import main

COMMANDS = main.list_commands(click.Context(main))


def test_help_names_every_command_and_the_exit_codes() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    for command in COMMANDS:
        assert f"\n  {command} " in result.stdout
    assert re.search(r"\b0 .*\b1 .*\b2 .*\b3 .*\b4 ", " ".join(result.stdout.split()))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(main, [command, "-h"])
    assert result.exit_code == 0
    assert f"Usage: signalpost {command}" in result.stdout.replace("main", "signalpost")


def test_the_version_is_the_packages() -> None:
    assert CliRunner().invoke(main, ["--version"]).stdout == f"signalpost, version {signalpost.__version__}\n"


def test_an_unknown_command_is_bad_input() -> None:
    result = CliRunner().invoke(main, ["replya"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'replya'" in result.stderr


def test_completion_offers_commands_and_options() -> None:
    ctx = click.Context(main)
    assert [each.value for each in main.shell_complete(ctx, "de")] == ["demo", "deliveries", "destinations"]
    assert "--version" in {each.value for each in main.shell_complete(ctx, "--")}
    assert main.get_command(ctx, "replya") is None

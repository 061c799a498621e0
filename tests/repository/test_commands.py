"""The page of commands documents each command and option, and no others."""

import re
from collections.abc import Iterator

import click

from signalpost.cli import main
from tests.repository.sources import ROOT

PAGE = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## `signalpost ([\w ]+)`\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
OPTION = re.compile(r"`(--?[a-z][a-z-]*)")


def _commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            if isinstance(command, click.Group):
                yield from _commands(command, f"{before}{name} ")
            else:
                yield f"{before}{name}", command


COMMANDS = dict(_commands(main))


def test_each_command_has_its_section() -> None:
    assert sorted(SECTIONS) == sorted(COMMANDS)


def test_each_option_of_a_command_is_documented_and_no_other() -> None:
    documented = {name: set(OPTION.findall(text)) for name, text in SECTIONS.items()}
    options = {
        name: {text for option in command.params if isinstance(option, click.Option) for text in option.opts}
        for name, command in COMMANDS.items()
    }
    assert documented == options


def test_each_command_documents_its_exit_codes() -> None:
    assert {name: "Exit codes:" in text for name, text in SECTIONS.items()} == dict.fromkeys(COMMANDS, True)

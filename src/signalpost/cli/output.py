r"""Prints the output of commands without characters that control a terminal.

Titles, reasons, file names and answers may come from others. An escape sequence in them could change the clipboard, the
window's title or earlier output; a line feed could fake a line, and a direction mark could reorder the text. Each is
printed as its escape, such as `\x1b`. JSON escapes them itself.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from signalpost.errors import Fault
from signalpost.secret import redacted

Command = TypeVar("Command", bound=Callable[..., object])
Shown = TypeVar("Shown", bound=click.Command)

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
    "|[\ud800-\udfff]"
)
"""Control characters, lone surrogates, and invisible characters that move or hide text; not letter joiners."""

JSON = "signalpost.json"
"""The key in click's context that says whether to print JSON."""


def clean(text: object) -> str:
    """`text` as one line, with unsafe characters escaped."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def say(*lines: object, err: bool = False) -> None:
    """Print each of `lines` as one line; without arguments, an empty line."""
    click.echo("\n".join(map(clean, lines)), err=err)


def say_json(*values: Any) -> None:
    """Print each of `values` as one line of JSON."""
    for value in values:
        click.echo(json.dumps(value))


def plain_fault(fault: Fault) -> dict[str, str | None]:
    """A fault as JSON, with secrets masked."""
    facts = {**fault.facts(), "detail": fault.text}
    return {name: None if fact is None else redacted(fact) for name, fact in facts.items()}


def say_errors(faults: Iterable[Fault]) -> None:
    """Print faults as one JSON object."""
    say_json({"errors": [plain_fault(each) for each in faults]})


def say_as_it_is(text: str) -> None:
    """Print our own text unchanged, with its line breaks."""
    click.echo(text, nl=False)


def examples(*lines: str) -> Callable[[Shown], Shown]:
    """End the help of a command with these lines; one that ends with a backslash continues on the next."""

    def with_examples(command: Shown) -> Shown:
        heading = "Example:" if len(lines) == 1 else "Examples:"
        command.epilog = "\n".join(("\b", heading, *(f"  {line}" for line in lines)))
        return command

    return with_examples


def json_option(help: str) -> Callable[[Command], Command]:  # click's name
    """The option `--json`, which a command receives as `as_json`. With it, errors are printed as JSON too."""
    return click.option("--json", "as_json", is_flag=True, is_eager=True, callback=_wants_json, help=help)


def _wants_json(context: click.Context, _: click.Parameter, value: bool) -> bool:
    context.meta[JSON] = value
    return value
